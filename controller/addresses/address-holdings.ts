import { formatAddress } from "../ipam/address.ts";
import { blockCidr } from "../ipam/block.ts";
import { infrastructureAddresses } from "../ipam/infrastructure.ts";
import type { Ipam } from "../ipam/ipam.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { SubnetIpam } from "../ipam/subnet-ipam.ts";

/** Who has addresses: a pod, an IPAddress that keeps them for one, or both. */
export interface AddressHolding {
  /** The Subnet; absent for the node's block of the cluster's network. */
  readonly subnet?: string;
  readonly addresses: readonly string[];
  /** Absent where it follows from the addresses. */
  readonly mac?: string;
  /** Those that are one of a kind in the cluster, where the others are not. */
  readonly infrastructure?: readonly string[];
  /** `namespace/name` */
  readonly pod?: string;
  readonly uid?: string;
  readonly node?: string;
  /** The IPAddress that keeps them after the pod. */
  readonly keptBy?: string;
  /** With `keptBy`: `namespace/holder`. */
  readonly holder?: string;
  /** With `keptBy`: seconds after the pod's end; for good where absent. */
  readonly ttlSeconds?: number;
  /** With `keptBy`: since when no pod has them. */
  readonly releasedAt?: string;
  /** With `keptBy`: those of the addresses that somebody else has, for as long as he does. */
  readonly waitsFor?: readonly string[];
}

export interface HoldingSources {
  readonly network: Pick<NetworkConfig, "families" | "infrastructure">;
  readonly ipam: Pick<Ipam, "podReservations" | "nodeOf">;
  readonly subnetIpam: Pick<SubnetIpam, "reservations" | "kept" | "keptBy" | "podOfKept" | "podAt" | "keeperAt">;
}

function keptPart(source: HoldingSources["subnetIpam"], name: string): Partial<AddressHolding> {
  const kept = source.keptBy(name);
  if (kept === undefined) return { keptBy: name };
  const { ttlSeconds, record } = kept;
  return {
    keptBy: name,
    holder: `${kept.namespace}/${kept.holder}`,
    ...(ttlSeconds === undefined ? {} : { ttlSeconds }),
    ...(record?.releasedAt === undefined ? {} : { releasedAt: record.releasedAt }),
  };
}

/** All that is held, pods of nodes' blocks first. */
export function* addressHoldings({ network, ipam, subnetIpam }: HoldingSources): Generator<AddressHolding> {
  for (const [pod, { uid, block, ipv4Offset, ipv6Offset }] of ipam.podReservations()) {
    const addresses = network.families.flatMap((family) => {
      const offset = family.family === 4 ? ipv4Offset : ipv6Offset;
      if (offset === undefined) return [];
      const { base } = blockCidr(family, block);
      return [formatAddress({ family: family.family, value: base + BigInt(offset) })];
    });
    const node = ipam.nodeOf(block);
    yield { addresses, pod, uid, ...(node === undefined ? {} : { node }) };
  }
  for (const [pod, { uid, node, subnet, addresses, mac, infrastructure, keptBy }] of subnetIpam.reservations()) {
    const numbers =
      infrastructure === undefined
        ? {}
        : { infrastructure: infrastructureAddresses(network.infrastructure, infrastructure) };
    const kept = keptBy === undefined ? {} : keptPart(subnetIpam, keptBy);
    yield { subnet, addresses, mac, ...numbers, pod, uid, node, ...kept };
  }
  for (const { name, subnet, addresses, mac } of subnetIpam.kept()) {
    if (subnetIpam.podOfKept(name) !== undefined) continue;
    const waitsFor = addresses.filter(
      (address) =>
        subnetIpam.podAt(subnet, address) !== undefined || (subnetIpam.keeperAt(subnet, address) ?? name) !== name,
    );
    const part = { ...keptPart(subnetIpam, name), ...(waitsFor.length === 0 ? {} : { waitsFor }) };
    yield { subnet, addresses, ...(mac === undefined ? {} : { mac }), ...part };
  }
}
