import { cidrOf, contains, parseAddress, parseAddressWithPrefix } from "../ipam/address.ts";
import { sliceOf } from "../ipam/infrastructure.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import { defaultTenant } from "../translate/names.ts";
import type { HubTenancy } from "../translate/tenancy.ts";

/** In whose tenant an address of pods is, that all in the cluster know them by. */
export interface AddressOwners {
  /** The slices of a switch, and whose it is; of a switch that is gone, none. @returns whether they were others */
  setSlices(switchKey: string, tenant: string, slices: readonly number[]): boolean;
  /** Undefined outside of pods' networks. The tenant is undefined where it is in nobody's slice. */
  ownerOf(
    address: string,
    overlays: HubTenancy["overlays"],
  ): { readonly tenant: string | undefined; readonly by: "slice" | "network" } | undefined;
}

export function createAddressOwners({ families, infrastructure }: NetworkConfig): AddressOwners {
  const bySlice = new Map<number, { readonly switchKey: string; readonly tenant: string }>();
  const bySwitch = new Map<string, readonly number[]>();
  return {
    setSlices(switchKey, tenant, slices) {
      const before = bySwitch.get(switchKey) ?? [];
      if (before.join() === slices.join()) return false;
      // A slice may be another switch's by now.
      for (const slice of before) if (bySlice.get(slice)?.switchKey === switchKey) bySlice.delete(slice);
      for (const slice of slices) bySlice.set(slice, { switchKey, tenant });
      if (slices.length === 0) bySwitch.delete(switchKey);
      else bySwitch.set(switchKey, slices);
      return true;
    },
    ownerOf(text, overlays) {
      const address = parseAddress(text);
      if (address === undefined) return undefined;
      const network = infrastructure.find((cidr) => contains(cidr, address));
      if (network !== undefined) {
        const slice = sliceOf(Number(address.value - network.base));
        return { tenant: bySlice.get(slice)?.tenant, by: "slice" };
      }
      const ofDefault = [
        ...families.map(({ cluster }) => cluster),
        ...overlays.flatMap(({ cidr }) => {
          const parsed = parseAddressWithPrefix(cidr);
          return parsed === undefined ? [] : [cidrOf(parsed, parsed.prefixLength)];
        }),
      ];
      return ofDefault.some((cidr) => contains(cidr, address)) ? { tenant: defaultTenant, by: "network" } : undefined;
    },
  };
}
