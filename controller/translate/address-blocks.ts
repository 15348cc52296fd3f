import {
  type Address,
  bitsOf,
  type Cidr,
  cidrOf,
  contains,
  type Family,
  parseAddress,
  parseAddressWithPrefix,
} from "../ipam/address.ts";
import { common, merged, networksOf, type Range, rangeOf, subtracted } from "../ipam/range.ts";
import type { Labels } from "../state/labels.ts";
import type { AddressBlock } from "../state/policy.ts";
import { meetsAll, type Requirement } from "../state/selector.ts";
import type { AddressSetContent } from "./policy-sets.ts";

/** What policies need to know of a node; addresses in canonical text, of both families. */
export interface PolicyNode {
  readonly labels: Labels;
  /** `InternalIP`s. */
  readonly internal: readonly string[];
  /** At which pods see it. */
  readonly management: readonly string[];
}

function cidr(text: string): Cidr | undefined {
  const parsed = parseAddressWithPrefix(text);
  return parsed && cidrOf(parsed, parsed.prefixLength);
}

interface NodeAddresses {
  readonly internal: readonly Address[];
  readonly management: readonly Address[];
}

/** Nodes of one family. */
interface Nodes {
  readonly all: readonly NodeAddresses[];
  /** The values of all their own addresses, ascending: most blocks hold none, and there are many of both. */
  readonly values: readonly bigint[];
}

const noNodes: Nodes = { all: [], values: [] };

function nodesOf(all: readonly NodeAddresses[]): Nodes {
  const values = all.flatMap(({ internal }) => internal.map(({ value }) => value));
  return { all, values: values.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0)) };
}

/** Whether one of the values, ascending, is in the range. */
function someIn(values: readonly bigint[], { first, last }: Range): boolean {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((values[middle] ?? last) < first) low = middle + 1;
    else high = middle;
  }
  const found = values[low];
  return found !== undefined && found <= last;
}

function addressesIn(family: Family, texts: readonly string[]): Address[] {
  return texts.flatMap((text) => {
    const address = parseAddress(text);
    return address?.family === family ? [address] : [];
  });
}

/** The nodes are the same for many sets, which are made anew together. */
const parsedNodes = new WeakMap<readonly PolicyNode[], Map<Family, Nodes>>();

function nodesIn(family: Family, nodes: readonly PolicyNode[]): Nodes {
  const byFamily = parsedNodes.get(nodes) ?? new Map<Family, Nodes>();
  parsedNodes.set(nodes, byFamily);
  const known =
    byFamily.get(family) ??
    nodesOf(
      nodes.map(({ internal, management }) => ({
        internal: addressesIn(family, internal),
        management: addressesIn(family, management),
      })),
    );
  byFamily.set(family, known);
  return known;
}

const single = ({ value }: Address): Range => ({ first: value, last: value });

/**
 * What a block holds. Pods see a node at its management address, so that stands for the node's own: it is in when one of
 * those is in the block and none of these in an except, and out when all of those that the block holds are excepted. Where the block holds
 * none of them it is an address as any other.
 */
function blockRanges(family: Family, block: AddressBlock, { all, values }: Nodes): Range[] {
  const whole = cidr(block.cidr);
  if (whole?.family !== family) return [];
  const excepts = block.except.flatMap((text) => cidr(text) ?? []);
  const parts = subtracted(rangeOf(whole), merged(excepts.map(rangeOf)));
  if (!someIn(values, rangeOf(whole))) return parts;
  const added: Range[] = [];
  const carved: Range[] = [];
  for (const { internal, management } of all) {
    const held = internal.filter((address) => contains(whole, address));
    if (held.length === 0) continue;
    const isIn = held.some((address) => !excepts.some((except) => contains(except, address)));
    (isIn ? added : carved).push(...management.map(single));
  }
  const without = merged(carved);
  return merged([...parts.flatMap((part) => (without.length === 0 ? [part] : subtracted(part, without))), ...added]);
}

/**
 * The members of the address set of a family: the fewest networks that say what the blocks say. Excepts are subtracted here,
 * since a match with `!=` costs flows beyond counting.
 * @param nodes of the cluster, in any order
 */
export function networkMembers(
  { blocks, within = [] }: Extract<AddressSetContent, { readonly kind: "networks" }>,
  family: Family,
  nodes: readonly PolicyNode[],
): readonly string[] {
  const ofFamily = nodesIn(family, nodes);
  const ranges = (list: readonly AddressBlock[]): Range[] =>
    merged(list.flatMap((block) => blockRanges(family, block, ofFamily)));
  const held = within.map(ranges).reduce(common, ranges(blocks));
  return held.flatMap((range) => networksOf(family, range));
}

/** All addresses at which the selected nodes may be met, each once. */
export function nodeMembers(
  requirements: readonly Requirement[],
  family: Family,
  nodes: readonly PolicyNode[],
): readonly string[] {
  const members = nodes
    .filter(({ labels }) => meetsAll(labels, requirements))
    .flatMap(({ internal, management }) => [...internal, ...management])
    .filter((text) => text.includes(":") === (family === 6));
  return [...new Set(members)].sort();
}

/**
 * The fewest networks, with their prefix lengths, that say what of the blocks lies in a network. Blocks are taken as they are:
 * what stands for nodes is left out.
 */
export function networksWithin(
  { blocks, within = [] }: Extract<AddressSetContent, { readonly kind: "networks" }>,
  network: Cidr,
): readonly string[] {
  const ranges = (list: readonly AddressBlock[]): Range[] =>
    merged(list.flatMap((block) => blockRanges(network.family, block, noNodes)));
  const held = [blocks, ...within].map(ranges).reduce(common, [rangeOf(network)]);
  const lengthOfOne = `/${bitsOf(network.family)}`;
  return held
    .flatMap((range) => networksOf(network.family, range))
    .map((text) => (text.includes("/") ? text : `${text}${lengthOfOne}`));
}

/** How the blocks stand to a network: whether they hold all of it, some or nothing. */
export function coverage(blocks: readonly AddressBlock[], network: Cidr): "all" | "some" | "none" {
  const whole = rangeOf(network);
  const held = common(merged(blocks.flatMap((block) => blockRanges(network.family, block, noNodes))), [whole]);
  if (held.length === 0) return "none";
  const [first] = held;
  return first?.first === whole.first && first.last === whole.last ? "all" : "some";
}
