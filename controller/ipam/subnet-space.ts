import type { IpPoolRecord } from "../state/ip-pool.ts";
import type { SubnetNetwork, SubnetRecord } from "../state/subnet.ts";
import { type Address, contains, type Family, parseAddress } from "./address.ts";
import { type AddressSpace, createAddressSpace } from "./address-space.ts";
import { common, merged, type Range, rangeOf, subtracted } from "./range.ts";
import { blockGateway, networkCidr, subnetBlock } from "./subnet-block.ts";

/** A subnet: what it consists of by its records, and who has what in it. */
export interface SubnetSpace {
  readonly name: string;
  readonly record: SubnetRecord | undefined;
  readonly pools: ReadonlyMap<string, IpPoolRecord>;
  readonly addresses: Readonly<Record<Family, AddressSpace>>;
  /** By hardware address, in lower case: the pod that has it. */
  readonly macs: Map<string, string>;
  setRecord(record: SubnetRecord | undefined): void;
  setPool(name: string, pool: IpPoolRecord | undefined): void;
  /** What pods may have on a node, whether by a pool or not; in order. */
  usable(family: Family, nodeNumber: number): readonly Range[];
  /** The part of it that is in no pool. */
  common(family: Family, nodeNumber: number): readonly Range[];
  /** The part of it that is in these pools. */
  pooled(family: Family, nodeNumber: number, pools: readonly string[]): readonly Range[];
  poolOf(address: Address): IpPoolRecord | undefined;
  /** All that pods may have, on whichever node. */
  whole(family: Family): readonly Range[];
}

const oneRange = ({ value }: Address): Range => ({ first: value, last: value });

function without(ranges: readonly Range[], taken: readonly Range[]): readonly Range[] {
  const parts = merged(taken);
  return ranges.flatMap((range) => subtracted(range, parts));
}

/** The addresses of a network that are no pod's: its own, the router's, and the broadcast address in IPv4. */
function unusable(family: Family, { first, last }: Range, gateway: string | undefined): Range[] {
  const router = gateway === undefined ? undefined : parseAddress(gateway);
  return [
    { first, last: first },
    ...(family === 4 ? [{ first: last, last }] : []),
    ...(router?.family === family ? [oneRange(router)] : []),
  ];
}

export function createSubnetSpace(name: string): SubnetSpace {
  const pools = new Map<string, IpPoolRecord>();
  let record: SubnetRecord | undefined;
  let ranges = new Map<string, readonly Range[]>();

  /** Ranges are made once, so that the same array says that nothing has changed. */
  function once(key: string, make: () => readonly Range[]): readonly Range[] {
    const known = ranges.get(key);
    if (known !== undefined) return known;
    const made = make();
    ranges.set(key, made);
    return made;
  }

  const networkOf = (family: Family): SubnetNetwork | undefined =>
    record?.networks.find((network) => network.family === family);

  const excludedOf = (family: Family): readonly Range[] =>
    (record?.excluded ?? []).filter((range) => range.family === family);

  function usable(family: Family, nodeNumber: number): readonly Range[] {
    const isPerNode = record?.mode === "PerNode";
    return once(`usable ${family} ${isPerNode ? nodeNumber : ""}`, () => {
      const network = networkOf(family);
      if (network === undefined) return [];
      const cidr = isPerNode ? subnetBlock(network, nodeNumber) : networkCidr(network);
      if (cidr === undefined) return [];
      const range = rangeOf(cidr);
      const gateway = isPerNode ? blockGateway(cidr) : network.gateway;
      return without([range], [...unusable(family, range, gateway), ...excludedOf(family)]);
    });
  }

  function poolRanges(family: Family, names: Iterable<string>): readonly Range[] {
    return merged(
      [...names].flatMap((each) => pools.get(each)?.ranges.filter((range) => range.family === family) ?? []),
    );
  }

  return {
    name,
    pools,
    addresses: { 4: createAddressSpace(), 6: createAddressSpace() },
    macs: new Map(),
    get record() {
      return record;
    },
    setRecord(next) {
      record = next;
      ranges = new Map();
    },
    setPool(pool, next) {
      if (next === undefined) pools.delete(pool);
      else pools.set(pool, next);
      ranges = new Map();
    },
    usable,
    common: (family, nodeNumber) =>
      once(`common ${family} ${record?.mode === "PerNode" ? nodeNumber : ""}`, () =>
        without(usable(family, nodeNumber), poolRanges(family, pools.keys())),
      ),
    pooled: (family, nodeNumber, names) =>
      once(`pooled ${family} ${record?.mode === "PerNode" ? nodeNumber : ""} ${names.join(" ")}`, () =>
        common(usable(family, nodeNumber), poolRanges(family, names)),
      ),
    poolOf(address) {
      for (const pool of pools.values()) {
        const { family, value } = address;
        if (pool.ranges.some((range) => range.family === family && range.first <= value && value <= range.last))
          return pool;
      }
      return undefined;
    },
    whole: (family) =>
      once(`whole ${family}`, () => {
        const network = networkOf(family);
        const cidr = network && networkCidr(network);
        if (network === undefined || cidr === undefined) return [];
        const range = rangeOf(cidr);
        const gateway = record?.mode === "PerNode" ? undefined : network.gateway;
        return without([range], [...unusable(family, range, gateway), ...excludedOf(family)]);
      }),
  };
}

/** Whether an address lies in one of the subnet's networks. */
export function isOfSubnet(record: SubnetRecord, address: Address): boolean {
  return record.networks.some((network) => {
    const cidr = networkCidr(network);
    return cidr !== undefined && contains(cidr, address);
  });
}
