import type { IpAddressRecord } from "../state/ip-address.ts";

/** Addresses that are kept for a holder whether a pod is there or not. */
export interface KeptAddress {
  /** Of the IPAddress. */
  readonly name: string;
  readonly subnet: string;
  readonly namespace: string;
  /** A sticky key, or a pod's name. */
  readonly holder: string;
  /** In canonical form, IPv4 first; of none, none has been given yet. */
  readonly addresses: readonly string[];
  readonly mac: string | undefined;
  readonly ttlSeconds: number | undefined;
  /** As the API has it; undefined until it is written. */
  readonly record: IpAddressRecord | undefined;
}

/** IPAddress objects, and those that are yet to be written. */
export interface KeptAddresses {
  get(name: string): KeptAddress | undefined;
  set(kept: KeptAddress): void;
  delete(name: string): void;
  /** Of several for one holder the oldest, then the first by name. */
  of(subnet: string, namespace: string, holder: string): KeptAddress | undefined;
  inSubnet(subnet: string): readonly KeptAddress[];
  all(): IterableIterator<KeptAddress>;
}

/** Of two claims the older one is first; one that is not written yet is younger than all. */
export const rankOf = ({ name, record }: KeptAddress): string => `${record?.createdAt ?? "~"} ${name}`;

/** `<namespace>.<holder>.<subnet>`: neither namespaces nor subnets of a cluster make two of these the same by accident. */
export function keptName(subnet: string, namespace: string, holder: string): string {
  return `${namespace}.${holder}.${subnet}`;
}

const holderKey = (subnet: string, namespace: string, holder: string): string => `${subnet} ${namespace}/${holder}`;

export function createKeptAddresses(): KeptAddresses {
  const byName = new Map<string, KeptAddress>();
  const byHolder = new Map<string, Set<string>>();
  const bySubnet = new Map<string, Set<string>>();

  function index(map: Map<string, Set<string>>, key: string, name: string, isIn: boolean): void {
    const names = map.get(key) ?? new Set();
    if (isIn) names.add(name);
    else names.delete(name);
    if (names.size === 0) map.delete(key);
    else map.set(key, names);
  }

  function indexAll({ name, subnet, namespace, holder }: KeptAddress, isIn: boolean): void {
    index(byHolder, holderKey(subnet, namespace, holder), name, isIn);
    index(bySubnet, subnet, name, isIn);
  }

  function remove(name: string): void {
    const known = byName.get(name);
    if (known === undefined) return;
    indexAll(known, false);
    byName.delete(name);
  }

  const named = (names: ReadonlySet<string> | undefined): KeptAddress[] =>
    [...(names ?? [])].flatMap((name) => byName.get(name) ?? []).sort((a, b) => (rankOf(a) < rankOf(b) ? -1 : 1));

  return {
    get: (name) => byName.get(name),
    set(kept) {
      remove(kept.name);
      byName.set(kept.name, kept);
      indexAll(kept, true);
    },
    delete: remove,
    of: (subnet, namespace, holder) => named(byHolder.get(holderKey(subnet, namespace, holder)))[0],
    inSubnet: (subnet) => named(bySubnet.get(subnet)),
    all: () => byName.values(),
  };
}
