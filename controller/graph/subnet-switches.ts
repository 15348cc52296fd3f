import { parseAddressWithPrefix } from "../ipam/address.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import { blockGateway, subnetBlock } from "../ipam/subnet-block.ts";
import { hasSwitchPerNode } from "../ipam/subnet-ipam.ts";
import type { SubnetRecord } from "../state/subnet.ts";
import { physicalNetworkOn } from "../translate/names.ts";
import type { SubnetSwitch } from "../translate/tenancy.ts";
import type { ResolvedSubnet } from "./subnet-resolution.ts";

/** Which switch a pod of a subnet is on: `subnet`, or `subnet@node`. */
export function switchKey({ mode, key }: Pick<SubnetRecord, "mode" | "key">, node: string): string {
  return hasSwitchPerNode({ mode }) ? `${key}@${node}` : key;
}

/** Reads what {@link switchKey} makes. */
export function parseSwitchKey(key: string): { readonly subnet: string; readonly node: string | undefined } {
  const at = key.indexOf("@");
  return at < 0 ? { subnet: key, node: undefined } : { subnet: key.slice(0, at), node: key.slice(at + 1) };
}

/** What else a switch depends on, beside its subnet. */
export interface SwitchContext {
  readonly network: NetworkConfig;
  /** With a switch for each node. */
  readonly node:
    | { readonly name: string; readonly number: number; readonly zone: string; readonly chassis: string }
    | undefined;
  readonly slices: readonly number[];
  readonly stormKbps: number;
  /** In the infrastructure networks; none of `default`. */
  readonly tenantNumber: number | undefined;
}

/** The switch as translation takes it; undefined where the subnet has no block for the node. */
export function subnetSwitchOf(subnet: ResolvedSubnet, context: SwitchContext): SubnetSwitch | undefined {
  const { network, node, slices, stormKbps, tenantNumber } = context;
  const { record } = subnet;
  const networks: SubnetSwitch["networks"][number][] = subnet.networks.flatMap((own) => {
    if (record.mode !== "PerNode") {
      const prefixLength = parseAddressWithPrefix(own.cidr)?.prefixLength;
      return prefixLength === undefined
        ? []
        : { family: own.family, cidr: own.cidr, prefixLength, gateway: own.gateway };
    }
    const block = node && subnetBlock(own, node.number);
    if (block === undefined) return [];
    const { family, text, prefixLength } = block;
    return { family, cidr: text, prefixLength, gateway: blockGateway(block), whole: own.cidr };
  });
  if (networks.length === 0) return undefined;
  return {
    subnet: record.key,
    tenant: record.tenant,
    ...(tenantNumber === undefined ? {} : { tenantNumber }),
    mode: record.mode,
    node: node?.name,
    ...(node === undefined ? {} : { zone: node.zone }),
    networks,
    slices,
    mtuBytes: record.mtuBytes ?? network.mtuBytes,
    egress: record.egress,
    physicalNetwork: record.underlay && node && physicalNetworkOn(record.underlay.providerNetwork, node.chassis),
    vlan: record.underlay?.vlan,
    dhcp: record.dhcp,
    stormKbps,
  };
}
