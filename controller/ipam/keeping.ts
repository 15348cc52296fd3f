import type { IpAddressRecord } from "../state/ip-address.ts";
import { type Address, formatAddress, parseAddress } from "./address.ts";
import { createKeptAddresses, type KeptAddress, keptName, rankOf } from "./kept-addresses.ts";
import type { SubnetReservation } from "./subnet-reservation.ts";
import type { SubnetSpace } from "./subnet-space.ts";

/** Who keeps what beyond pods: IPAddress objects, those yet to be written, and the claims of both in the subnets. */
export interface Keeping {
  get(name: string): KeptAddress | undefined;
  all(): IterableIterator<KeptAddress>;
  inSubnet(subnet: string): readonly KeptAddress[];
  of(subnet: string, namespace: string, holder: string): KeptAddress | undefined;
  /** As the API has it. */
  setRecord(name: string, record: IpAddressRecord | undefined): void;
  /** Keeps a pod's addresses for its holder from now on; to be followed by `setPod`. @returns the IPAddress's name */
  keep(subnet: string, namespace: string, holder: string, held: KeptContent): string;
  /** Has the IPAddress say other addresses than it does. */
  override(name: string, held: KeptContent): void;
  podOf(name: string): string | undefined;
  setPod(name: string, pod: string | undefined): void;
  forget(name: string): void;
  isWritten(name: string): boolean;
  onChange(listener: (name: string) => void): void;
}

export interface KeptContent {
  readonly addresses: readonly string[];
  readonly mac: string | undefined;
  readonly ttlSeconds: number | undefined;
}

export const parsed = (addresses: readonly string[]): readonly Address[] =>
  addresses.flatMap((text) => parseAddress(text) ?? []);

const sameList = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((text, index) => text === b[index]);

/** In canonical form, IPv4 first, at most one per family: a person may have written them in any way. */
function canonical(addresses: readonly string[]): readonly string[] {
  const all = parsed(addresses);
  return ([4, 6] as const).flatMap((wanted) => {
    const address = all.find(({ family }) => family === wanted);
    return address === undefined ? [] : [formatAddress(address)];
  });
}

export function createKeeping(spaceOf: (subnet: string) => SubnetSpace): Keeping {
  const kept = createKeptAddresses();
  const podOfKept = new Map<string, string>();
  /** Those whose addresses are to be written instead of what the API has. */
  const overridden = new Set<string>();
  let listener: ((name: string) => void) | undefined;
  const tell = (name: string): void => listener?.(name);

  function put(next: KeptAddress): void {
    drop(next.name);
    kept.set(next);
    const { addresses } = spaceOf(next.subnet);
    for (const { family, value } of parsed(next.addresses)) addresses[family].keep(value, next.name, rankOf(next));
  }

  function drop(name: string): void {
    const known = kept.get(name);
    if (known === undefined) return;
    const { addresses } = spaceOf(known.subnet);
    for (const { family, value } of parsed(known.addresses)) addresses[family].unkeep(value, name);
    kept.delete(name);
  }

  function freeName(subnet: string, namespace: string, holder: string): string {
    const name = keptName(subnet, namespace, holder);
    for (let number = 1; ; number++) {
      const candidate = number === 1 ? name : `${name}.${number}`;
      if (kept.get(candidate) === undefined) return candidate;
    }
  }

  function fromRecord(name: string, record: IpAddressRecord): KeptAddress {
    const known = kept.get(name);
    const said = canonical(record.addresses);
    const isOverridden =
      known !== undefined && overridden.has(name) && known.subnet === record.subnet && !sameList(known.addresses, said);
    if (!isOverridden) overridden.delete(name);
    const { subnet, namespace, holder, ttlSeconds } = record;
    return {
      name,
      subnet,
      namespace,
      holder,
      addresses: isOverridden ? known.addresses : said,
      mac: isOverridden ? known.mac : record.mac?.toLowerCase(),
      ttlSeconds,
      record,
    };
  }

  return {
    get: kept.get,
    all: kept.all,
    inSubnet: kept.inSubnet,
    of: kept.of,
    setRecord(name, record) {
      if (record !== undefined) {
        put(fromRecord(name, record));
      } else if (podOfKept.has(name)) {
        const known = kept.get(name);
        if (known !== undefined) put({ ...known, record: undefined });
      } else {
        overridden.delete(name);
        drop(name);
      }
      tell(name);
    },
    keep(subnet, namespace, holder, content) {
      const name = freeName(subnet, namespace, holder);
      put({ name, subnet, namespace, holder, ...content, record: undefined });
      return name;
    },
    override(name, { addresses, mac }) {
      const known = kept.get(name);
      if (known === undefined) return;
      overridden.add(name);
      put({ ...known, addresses, mac });
      tell(name);
    },
    podOf: (name) => podOfKept.get(name),
    setPod(name, pod) {
      if (podOfKept.get(name) === pod) return;
      if (pod === undefined) podOfKept.delete(name);
      else podOfKept.set(name, pod);
      tell(name);
    },
    forget(name) {
      if (podOfKept.has(name) || kept.get(name)?.record !== undefined) return;
      overridden.delete(name);
      drop(name);
    },
    isWritten(name) {
      const known = kept.get(name);
      return known?.record !== undefined && sameList(canonical(known.record.addresses), known.addresses);
    },
    onChange(next) {
      listener = next;
    },
  };
}

/** Whether the IPAddress has the addresses that a pod has. */
export const agrees = (kept: KeptAddress, { addresses }: Pick<SubnetReservation, "addresses">): boolean =>
  sameList(kept.addresses, addresses);
