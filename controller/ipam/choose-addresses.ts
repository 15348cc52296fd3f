import { type Address, type Family, formatAddress } from "./address.ts";
import { type Choice, chooseAddress, chosen, poolsFor, refused } from "./choose-address.ts";
import { chooseMac } from "./choose-mac.ts";
import { parsed } from "./keeping.ts";
import type { KeptAddress } from "./kept-addresses.ts";
import type { SubnetRequest } from "./subnet-ipam.ts";
import type { SubnetSpace } from "./subnet-space.ts";

/** One address for each family of the subnet, IPv4 first. */
export interface ChosenAddresses {
  readonly addresses: readonly Address[];
  readonly mac: string;
}

/** The kept address of a family, if it is one that the pod can have now; undefined where something else is asked for. */
function keptAddress(
  space: SubnetSpace,
  request: SubnetRequest,
  kept: KeptAddress | undefined,
  wanted: Family,
): Choice<Address> | undefined {
  const address = parsed(kept?.addresses ?? []).find(({ family }) => family === wanted);
  if (kept === undefined || address === undefined) return undefined;
  const asked = parsed(request.wish?.addresses ?? []).filter(({ family }) => family === wanted);
  if (asked.length > 0 && !asked.some(({ value }) => value === address.value)) return undefined;
  const text = formatAddress(address);
  const pod = space.addresses[wanted].podOf(address.value);
  if (pod !== undefined) return refused("ADDRESS_HELD", `${text} belongs to pod ${pod}`);
  const keeper = space.addresses[wanted].keeperOf(address.value);
  if (keeper !== kept.name) return refused("ADDRESS_HELD", `${text} belongs to IPAddress ${keeper}`);
  if (
    space.usable(wanted, request.nodeNumber).some(({ first, last }) => first <= address.value && address.value <= last)
  )
    return chosen(address);
  const message = `${text}, which IPAddress ${kept.name} keeps, can't be used in subnet ${space.name} on node ${request.node}`;
  return refused("ADDRESS_OUTSIDE_SUBNET", message);
}

/**
 * The addresses of a pod that has none.
 * @param kept what is kept for it
 * @param user the pod that has what is kept
 */
export function chooseAddresses(
  space: SubnetSpace,
  request: SubnetRequest,
  kept: KeptAddress | undefined,
  user: string | undefined,
): Choice<ChosenAddresses> {
  const { record } = space;
  if (record === undefined) return refused("SUBNET_NOT_FOUND", `there is no subnet ${space.name}`);
  if (kept !== undefined && user !== undefined && user !== request.key) {
    const what = request.wish?.sticky === undefined ? `IPAddress ${kept.name}` : `sticky key ${kept.holder}`;
    return refused("ADDRESS_HELD", `what ${what} keeps belongs to pod ${user}`);
  }
  const pools = poolsFor(space, request);
  if (pools.kind === "refused") return pools;
  const stranger = parsed(request.wish?.addresses ?? []).find(
    (address) => !record.networks.some(({ family }) => family === address.family),
  );
  if (stranger !== undefined)
    return refused("ADDRESS_OUTSIDE_SUBNET", `${formatAddress(stranger)} isn't in subnet ${space.name}`);
  const addresses: Address[] = [];
  for (const { family } of record.networks) {
    const choice =
      keptAddress(space, request, kept, family) ?? chooseAddress(space, record, request, pools.value, family);
    if (choice.kind === "refused") return choice;
    addresses.push(choice.value);
  }
  const mac = chooseMac(space.macs, addresses, request.wish?.mac ?? kept?.mac);
  return mac.kind === "refused" ? mac : chosen({ addresses, mac: mac.value });
}
