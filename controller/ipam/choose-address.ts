import type { IpPoolRecord } from "../state/ip-pool.ts";
import type { Problem } from "../state/object-problem.ts";
import type { SubnetRecord } from "../state/subnet.ts";
import { type Address, type Family, formatAddress, parseAddress } from "./address.ts";
import type { SubnetRequest } from "./subnet-ipam.ts";
import { isOfSubnet, type SubnetSpace } from "./subnet-space.ts";

export type Choice<T> =
  | { readonly kind: "chosen"; readonly value: T }
  | { readonly kind: "refused"; readonly problem: Problem };

export const chosen = <T>(value: T): Choice<T> => ({ kind: "chosen", value });
export const refused = (code: Problem["code"], message: string) =>
  ({ kind: "refused", problem: { code, message } }) as const;

/** Whether anybody may use the pool who names it. */
export const isOpen = ({ namespaces, workloads }: IpPoolRecord): boolean =>
  namespaces.names.length === 0 && namespaces.requirements === undefined && workloads.length === 0;

/** The pools of the subnet that the pod has to take its addresses from; empty where it may have those that are in no pool. */
export function poolsFor(space: SubnetSpace, { wish, pools }: SubnetRequest): Choice<readonly string[]> {
  const asked = wish?.pools ?? [];
  if (asked.length === 0) return chosen(pools.filter((name) => space.pools.has(name)).sort());
  const here = asked.filter((name) => space.pools.has(name));
  if (here.length === 0) {
    return refused("POOL_NOT_FOUND", `subnet ${space.name} has no pool ${asked.join(" or ")}`);
  }
  const allowed = here.filter((name) => mayUse(space.pools.get(name), pools));
  if (allowed.length > 0) return chosen(allowed);
  return refused("POOL_NOT_ALLOWED", `pool ${here.join(" and ")} is kept for other namespaces or workloads`);
}

const mayUse = (pool: IpPoolRecord | undefined, pools: readonly string[]): boolean =>
  pool !== undefined && (isOpen(pool) || pools.includes(pool.key));

const poolsHave = (space: SubnetSpace, pools: readonly string[], family: Family): boolean =>
  pools.some((name) => space.pools.get(name)?.ranges.some((range) => range.family === family));

/** What stands against a pod's having just this address; undefined when nothing does. */
export function obstacle(
  space: SubnetSpace,
  record: SubnetRecord,
  request: SubnetRequest,
  pools: readonly string[],
  address: Address,
): Problem | undefined {
  const text = formatAddress(address);
  const { family, value } = address;
  const problem = (code: Problem["code"], message: string): Problem => ({ code, message });
  if (!isOfSubnet(record, address)) {
    return problem("ADDRESS_OUTSIDE_SUBNET", `${text} isn't in subnet ${space.name}`);
  }
  const isIn = (ranges: readonly { first: bigint; last: bigint }[]) =>
    ranges.some(({ first, last }) => first <= value && value <= last);
  if (!isIn(space.usable(family, request.nodeNumber))) {
    const message = isIn(space.whole(family))
      ? `${text} isn't in the block that node ${request.node} has of subnet ${space.name}`
      : `${text} is excluded from subnet ${space.name}, or is its router's or the network's own`;
    return problem("ADDRESS_OUTSIDE_SUBNET", message);
  }
  const pool = space.poolOf(address);
  if (pool !== undefined && !mayUse(pool, request.pools)) {
    return problem("POOL_NOT_ALLOWED", `${text} is in pool ${pool.key}, which is kept for others`);
  }
  if (poolsHave(space, pools, family) && !pools.some((name) => name === pool?.key)) {
    return problem("POOL_NOT_ALLOWED", `${text} isn't in pool ${pools.join(" or ")}, where the pod has to be`);
  }
  const holder = holderText(space, address);
  return holder === undefined ? undefined : problem("ADDRESS_HELD", `${text} belongs to ${holder}`);
}

/** In words for whoever wants it too. */
export function holderText(space: SubnetSpace, { family, value }: Address): string | undefined {
  const pod = space.addresses[family].podOf(value);
  if (pod !== undefined) return `pod ${pod}`;
  const keeper = space.addresses[family].keeperOf(value);
  return keeper && `IPAddress ${keeper}`;
}

/** The candidates of one family; of a pod of a StatefulSet, the one at its ordinal. */
function candidates(request: SubnetRequest, family: Family): Choice<readonly Address[]> {
  const all = (request.wish?.addresses ?? []).flatMap((text) => {
    const address = parseAddress(text);
    return address?.family === family ? [address] : [];
  });
  const { workload, ordinal } = request;
  if (all.length === 0 || ordinal === undefined || !workload?.startsWith("StatefulSet/")) return chosen(all);
  const own = all[ordinal];
  if (own !== undefined) return chosen([own]);
  const message = `the list has ${all.length} IPv${family} addresses, but the pod is number ${ordinal} counted from 0`;
  return refused("ADDRESS_LIST_TOO_SHORT", message);
}

/** An address of one family for a pod that has none: one that it asks for, or else the next of its pools or of the rest. */
export function chooseAddress(
  space: SubnetSpace,
  record: SubnetRecord,
  request: SubnetRequest,
  pools: readonly string[],
  family: Family,
): Choice<Address> {
  const asked = candidates(request, family);
  if (asked.kind === "refused") return asked;
  const problems: Problem[] = [];
  for (const address of asked.value) {
    const problem = obstacle(space, record, request, pools, address);
    if (problem === undefined) return chosen(address);
    problems.push(problem);
  }
  const [first] = problems;
  if (first !== undefined) {
    const more = problems.length > 3 ? ` (and ${problems.length - 3} more)` : "";
    const message = problems.slice(0, 3).map((each) => each.message);
    return refused(first.code, `${message.join("; ")}${more}`);
  }
  const { nodeNumber, node } = request;
  const isPooled = poolsHave(space, pools, family);
  const ranges = isPooled ? space.pooled(family, nodeNumber, pools) : space.common(family, nodeNumber);
  const block = record.mode === "PerNode" ? `@${nodeNumber}` : "";
  const value = space.addresses[family].next(`${isPooled ? pools.join(" ") : ""}${block}`, ranges);
  if (value !== undefined) return chosen({ family, value });
  const where = record.mode === "PerNode" ? `node ${node}'s block of subnet ${space.name}` : `subnet ${space.name}`;
  return isPooled
    ? refused("SUBNET_POOL_EXHAUSTED", `pool ${pools.join(" and ")} has no free IPv${family} address in ${where}`)
    : refused("SUBNET_EXHAUSTED", `${where} has no free IPv${family} address`);
}
