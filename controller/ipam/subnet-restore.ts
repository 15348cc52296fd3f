import { podNetworkAnnotation, readAnnotation } from "@ovenbird/kube";
import { contains, parseAddress } from "./address.ts";
import { firstSlice, sliceOf } from "./infrastructure.ts";
import type { NetworkConfig } from "./network-config.ts";
import type { ReservedRow, RestoredPod } from "./restore.ts";
import type { SubnetHolding } from "./subnet-ipam.ts";
import type { SubnetReservation } from "./subnet-reservation.ts";

/** A router port of ours: a tenant's link, or a subnet's gateway. */
export interface RestoredRouterPort {
  /** `external_ids:ovenbird.io/owner`: `Tenant/name#part`, `Subnet/name#part` or `Subnet/name@node#part`. */
  readonly owner: string;
  /** `Logical_Router_Port.networks` */
  readonly networks: readonly string[];
}

export interface SubnetRestoreInput {
  readonly rows: readonly ReservedRow[];
  readonly routerPorts: readonly RestoredRouterPort[];
  readonly pods: readonly RestoredPod[];
}

/** What `SubnetIpam.restore` takes. */
export interface SubnetClaims {
  readonly holdings: readonly SubnetHolding[];
  readonly tenantNumbers: ReadonlyMap<string, number>;
  readonly slices: ReadonlyMap<string, readonly number[]>;
}

type Held = Pick<SubnetReservation, "subnet" | "addresses" | "mac" | "infrastructure">;

const withoutPrefix = (text: string): string => text.split("/", 1)[0] ?? "";

/** The number that an address has in the infrastructure networks; undefined outside of them. */
function numberOf({ infrastructure }: Pick<NetworkConfig, "infrastructure">, text: string): number | undefined {
  const address = parseAddress(withoutPrefix(text));
  const network = address && infrastructure.find((each) => contains(each, address));
  if (address === undefined || network === undefined) return undefined;
  const number = address.value - network.base;
  return number <= 0xffff_ffffn ? Number(number) : undefined;
}

function heldBy(
  network: Pick<NetworkConfig, "infrastructure">,
  subnet: string,
  mac: string,
  addresses: readonly string[],
): Held | undefined {
  const own = addresses.filter((text) => parseAddress(text) !== undefined && numberOf(network, text) === undefined);
  const [number] = addresses.flatMap((text) => numberOf(network, text) ?? []);
  return own.length === 0 ? undefined : { subnet, addresses: own, mac, infrastructure: number };
}

const agree = (a: Held, b: Held): boolean =>
  a.subnet === b.subnet &&
  a.mac === b.mac &&
  a.infrastructure === b.infrastructure &&
  a.addresses.join() === b.addresses.join();

function announced(network: Pick<NetworkConfig, "infrastructure">, pod: RestoredPod): Held | undefined {
  const annotation = readAnnotation(podNetworkAnnotation, pod.networkAnnotation);
  if (annotation.kind !== "valid" || annotation.value.uid !== pod.uid) return undefined;
  const { subnet, addresses, mac, infrastructure = [] } = annotation.value;
  if (subnet === undefined) return undefined;
  return heldBy(network, subnet, mac, [...addresses.map(withoutPrefix), ...infrastructure]);
}

/** Reads from rows and annotations who held what in subnets before the restart; rows of pods that are gone hold nothing. */
export function readSubnetClaims(
  network: Pick<NetworkConfig, "infrastructure">,
  { rows, routerPorts, pods }: SubnetRestoreInput,
): SubnetClaims {
  const byPod = new Map<string, { readonly uid: string | undefined; readonly held: Held }>();
  for (const { owner, addresses, uid, subnet } of rows) {
    const key = /^Pod\/([^#]+)/.exec(owner)?.[1];
    const [mac = "", ...rest] = addresses[0]?.split(" ") ?? [];
    const held = key === undefined || subnet === undefined ? undefined : heldBy(network, subnet, mac, rest);
    if (key !== undefined && held !== undefined) byPod.set(key, { uid, held });
  }
  const holdings: SubnetHolding[] = [];
  for (const pod of pods) {
    const { key, uid, nodeName: node } = pod;
    if (node === undefined || pod.hostNetwork || pod.finished) continue;
    const row = byPod.get(key);
    // A row for another uid speaks of an earlier pod of that name.
    const inRow = row !== undefined && (row.uid ?? uid) === uid ? row.held : undefined;
    const said = announced(network, pod);
    const held = inRow ?? said;
    if (held === undefined) continue;
    const strength = inRow === undefined ? 2 : said !== undefined && agree(inRow, said) ? 0 : 1;
    holdings.push({ key, strength, reservation: { uid, node, ...held, keptBy: undefined } });
  }
  const tenantNumbers = new Map<string, number>();
  const slices = new Map<string, readonly number[]>();
  for (const { owner, networks } of routerPorts) {
    const [, kind, key] = /^(Tenant|Subnet)\/([^#]+)/.exec(owner) ?? [];
    if (kind === undefined || key === undefined) continue;
    const numbers = networks.flatMap((text) => numberOf(network, text) ?? []);
    const isSlice = (number: number): boolean => sliceOf(number) >= firstSlice;
    if (kind === "Subnet") {
      const own = numbers.filter(isSlice).map(sliceOf);
      if (own.length > 0)
        slices.set(
          key,
          [...new Set([...(slices.get(key) ?? []), ...own])].sort((a, b) => a - b),
        );
    } else {
      const link = numbers.find((number) => !isSlice(number));
      if (link !== undefined) tenantNumbers.set(key, Math.floor(link / 4));
    }
  }
  return { holdings, tenantNumbers, slices };
}
