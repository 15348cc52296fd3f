import type { Family } from "../ipam/address.ts";
import type { PlanChange, PlanGroup } from "./answer.ts";
import type { PlanClass } from "./plan-classes.ts";
import { planProtocols, type Vector } from "./plan-vectors.ts";

/** What changes between two classes in one family. */
export interface PairChange {
  readonly from: PlanClass;
  readonly to: PlanClass;
  readonly family: Family;
  readonly vector: Vector;
}

/** So many parts of a group are named. */
const named = 8;
const examples = 3;

type Ports = PlanChange["ports"];

interface PortChange {
  readonly before: PlanChange["before"];
  readonly after: PlanChange["after"];
  readonly ports: Ports;
}

/** The ports of a vector that change, newly denied and newly allowed ones apart. */
function portChanges({ runs }: Vector): readonly PortChange[] {
  return [true, false].flatMap((before) => {
    const ports = planProtocols.flatMap((protocol) =>
      runs[protocol]
        .filter((run) => run.before === before && run.after !== before)
        .map(({ first, last }) => (first === 0 && last === 65_535 ? { protocol } : { protocol, first, last })),
    );
    if (ports.length === 0) return [];
    const isAll = ports.length === planProtocols.length && ports.every((port) => !("first" in port));
    const [was, is] = before ? (["allowed", "denied"] as const) : (["denied", "allowed"] as const);
    return [{ before: was, after: is, ports: isAll ? [] : ports }];
  });
}

/** A rectangle: everyone of `from` with everyone of `to`. */
interface Block {
  readonly family: Family | undefined;
  readonly vector: Vector;
  readonly from: readonly PlanClass[];
  readonly to: readonly PlanClass[];
}

function idsOf(classes: Iterable<PlanClass>): string {
  return [...classes]
    .map(({ id }) => id)
    .sort((a, b) => a - b)
    .join();
}

/** Puts together those that change alike with the same others. */
function rectangles(pairs: readonly { readonly from: PlanClass; readonly to: PlanClass }[], by: "from" | "to") {
  const other = by === "from" ? "to" : "from";
  const others = new Map<PlanClass, PlanClass[]>();
  for (const pair of pairs) {
    const list = others.get(pair[by]);
    if (list === undefined) others.set(pair[by], [pair[other]]);
    else list.push(pair[other]);
  }
  const groups = new Map<string, { ones: PlanClass[]; others: readonly PlanClass[] }>();
  for (const [one, list] of others) {
    const key = idsOf(list);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { ones: [one], others: list });
    else group.ones.push(one);
  }
  return [...groups.values()].map(({ ones, others: list }) =>
    by === "from" ? { from: ones, to: list } : { from: list, to: ones },
  );
}

/** Both families together where they change alike. */
function blocksOf(found: readonly PairChange[]): readonly Block[] {
  const both = new Map<string, { readonly pair: PairChange; family: Family | undefined }>();
  for (const pair of found) {
    const key = `${pair.from.id} ${pair.to.id} ${pair.vector.id}`;
    const known = both.get(key);
    if (known === undefined) both.set(key, { pair, family: onlyFamily(pair) });
    else known.family = undefined;
  }
  const groups = new Map<string, { vector: Vector; family: Family | undefined; pairs: PairChange[] }>();
  for (const { pair, family } of both.values()) {
    const key = `${pair.vector.id} ${family}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { vector: pair.vector, family, pairs: [pair] });
    else group.pairs.push(pair);
  }
  return [...groups.values()].flatMap(({ vector, family, pairs }) => {
    const [bySender, byReceiver] = [rectangles(pairs, "from"), rectangles(pairs, "to")];
    const best = bySender.length <= byReceiver.length ? bySender : byReceiver;
    return best.map((block) => ({ vector, family, ...block }));
  });
}

/** Whoever has one family alone changes in it as a whole. */
function onlyFamily({ from, to, family }: PairChange): Family | undefined {
  const other = family === 4 ? 6 : 4;
  return from.sender[other] === undefined || to.receiver[other] === undefined ? undefined : family;
}

/** Names groups of classes in words. */
function createDescriber(classes: readonly PlanClass[]): (group: readonly PlanClass[]) => PlanGroup {
  const counts = new Map<string, number>();
  for (const { kind, namespace } of classes) {
    for (const key of new Set([kind, `${kind} ${namespace}`])) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return (group) => {
    const pods = group.filter(({ kind }) => kind === "pods");
    const parts: string[] = [];
    if (pods.length > 0 && pods.length === counts.get("pods")) parts.push("all pods");
    else parts.push(...podsText(pods, (namespace) => counts.get(`pods ${namespace}`) ?? 0));
    const nodes = group.filter(({ kind }) => kind === "nodes");
    if (nodes.length > 0 && nodes.length === counts.get("nodes")) parts.push("all nodes");
    else parts.push(...nodes.map(({ text }) => text));
    parts.push(...group.filter(({ kind }) => kind === "addresses").map(({ text }) => text));
    const shown = parts.slice(0, named).join("; ");
    const members = pods.flatMap(({ members }) => members.slice(0, examples));
    return {
      text: parts.length > named ? `${shown}; and ${parts.length - named} more` : shown,
      pods: pods.reduce((sum, { members }) => sum + members.length, 0),
      examples: members.slice(0, examples),
    };
  };
}

function podsText(pods: readonly PlanClass[], countOf: (namespace: string) => number): readonly string[] {
  const byNamespace = Map.groupBy(pods, ({ namespace }) => namespace ?? "");
  const whole = [...byNamespace].filter(([namespace, list]) => list.length === countOf(namespace));
  const names = whole.map(([namespace]) => namespace).sort();
  const shown =
    names.length > named ? `${names.slice(0, named).join(", ")} and ${names.length - named} more` : names.join(", ");
  const all = names.length === 0 ? [] : [`all pods of ${names.length > 1 ? "namespaces" : "namespace"} ${shown}`];
  const some = [...byNamespace]
    .filter(([namespace]) => !names.includes(namespace))
    .map(
      ([namespace, list]) => `${namespace}: ${[...new Set(list.map(({ text }) => text))].slice(0, named).join(" | ")}`,
    );
  return [...all, ...some];
}

/** How many pairs of pods there are; nobody is a pair with himself. */
function pairsIn(found: readonly PairChange[]): number {
  const seen = new Set<string>();
  let pairs = 0;
  for (const { from, to } of found) {
    const key = `${from.id} ${to.id}`;
    if (from.kind !== "pods" || to.kind !== "pods" || seen.has(key)) continue;
    seen.add(key);
    pairs += from.members.length * to.members.length - (from === to ? from.members.length : 0);
  }
  return pairs;
}

/** Puts what was found into words, the largest groups of what is newly denied first. */
export function changesOf(
  classes: readonly PlanClass[],
  found: readonly PairChange[],
  limit: number,
): { readonly changes: readonly PlanChange[]; readonly pairs: number; readonly rest: number } {
  const describe = createDescriber(classes);
  const all = blocksOf(found).flatMap(({ vector, family, from, to }) => {
    const ends = { from: describe(from), to: describe(to) };
    return portChanges(vector).map(
      (change): PlanChange => ({ ...ends, ...(family === undefined ? {} : { family }), ...change }),
    );
  });
  const size = ({ from, to }: PlanChange): number => Math.max(1, from.pods) * Math.max(1, to.pods);
  all.sort((a, b) => (a.after === b.after ? size(b) - size(a) : a.after === "denied" ? -1 : 1));
  return { changes: all.slice(0, limit), pairs: pairsIn(found), rest: Math.max(0, all.length - limit) };
}
