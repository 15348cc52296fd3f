import { createHash } from "node:crypto";
import type { Family } from "../ipam/address.ts";
import type { Direction } from "../state/policy.ts";
import type { PlanChange, PlanGroup } from "./answer.ts";
import type { PlanClass } from "./plan-classes.ts";
import { planProtocols, type Vector } from "./plan-vectors.ts";

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

/** A rectangle: everyone of `subjects` with everyone of `peers`, as the subjects' direction says. */
interface Block {
  readonly direction: Direction;
  readonly family: Family | undefined;
  readonly vector: Vector;
  readonly subjects: PlanClass[];
  /** Ids of classes. */
  readonly peers: readonly number[];
}

function hasBothFamilies({ sender, receiver }: PlanClass): boolean {
  return sender[4] !== undefined && sender[6] !== undefined && receiver[4] !== undefined && receiver[6] !== undefined;
}

/** Gathers what changes, subject by subject: pairs are many, so none is kept as itself. */
export interface ChangeCollector {
  /** How many ids are held. */
  readonly size: number;
  /** What changes between a subject, in its direction, and a peer; undefined in families in which nothing does. */
  add(
    subject: PlanClass,
    direction: Direction,
    peer: PlanClass,
    ipv4: Vector | undefined,
    ipv6: Vector | undefined,
  ): void;
  /** The subject that all before were of is done. */
  next(): void;
  /** The largest groups of what is newly denied come first. */
  result(limit: number): { readonly changes: readonly PlanChange[]; readonly pairs: number; readonly rest: number };
}

export function createChangeCollector(classes: readonly PlanClass[]): ChangeCollector {
  const blocks = new Map<string, Block>();
  /** Pairs of which one family was found from the receiver's side: the other may be found from the sender's. */
  const halves = new Set<number>();
  let current = new Map<string, Omit<Block, "peers"> & { readonly peers: number[] }>();
  let pairs = 0;
  let size = 0;

  function put(
    subject: PlanClass,
    direction: Direction,
    peer: PlanClass,
    family: Family | undefined,
    vector: Vector,
  ): void {
    const key = `${direction} ${family} ${vector.id}`;
    const part = current.get(key);
    if (part === undefined) current.set(key, { direction, family, vector, subjects: [subject], peers: [peer.id] });
    else part.peers.push(peer.id);
  }

  function count(subject: PlanClass, direction: Direction, peer: PlanClass, isHalf: boolean): void {
    if (peer.kind !== "pods") return;
    const [from, to] = direction === "ingress" ? [peer, subject] : [subject, peer];
    const key = from.id * classes.length + to.id;
    if (direction === "egress" && halves.has(key)) return;
    if (direction === "ingress" && isHalf) halves.add(key);
    pairs += subject.members.length * (peer === subject ? subject.members.length - 1 : peer.members.length);
  }

  return {
    get size() {
      return size;
    },
    add(subject, direction, peer, ipv4, ipv6) {
      if (ipv4 === undefined && ipv6 === undefined) return;
      // A pair that has one family alone changes as a whole.
      const isHalf = ipv4 !== ipv6 && hasBothFamilies(subject) && hasBothFamilies(peer);
      count(subject, direction, peer, isHalf);
      if (ipv4 !== undefined) put(subject, direction, peer, isHalf ? 4 : undefined, ipv4);
      if (ipv6 !== undefined && ipv6 !== ipv4) put(subject, direction, peer, isHalf ? 6 : undefined, ipv6);
    },
    next() {
      for (const [key, part] of current) {
        // Peers come in the order of their ids, so that the same ones make the same text.
        const text = `${key} ${createHash("sha1").update(part.peers.join()).digest("base64")}`;
        const known = blocks.get(text);
        if (known === undefined) {
          blocks.set(text, part);
          size += part.peers.length;
        } else known.subjects.push(...part.subjects);
      }
      current = new Map();
    },
    result(limit) {
      const describe = createDescriber(classes);
      const all = [...blocks.values()].flatMap((block) =>
        portChanges(block.vector).map((change) => ({ block, change })),
      );
      const sizeOf = ({ subjects, peers }: Block): number =>
        sizeIn(subjects) * sizeIn(peers.flatMap((id) => classes[id] ?? []));
      const sizes = new Map([...blocks.values()].map((block) => [block, sizeOf(block)]));
      all.sort((a, b) => {
        if (a.change.after !== b.change.after) return a.change.after === "denied" ? -1 : 1;
        return (sizes.get(b.block) ?? 0) - (sizes.get(a.block) ?? 0);
      });
      const changes = all.slice(0, limit).map(({ block, change }): PlanChange => {
        const isIngress = block.direction === "ingress";
        const subjects = describe(block.subjects, !isIngress);
        const peers = describe(
          block.peers.flatMap((id) => classes[id] ?? []),
          isIngress,
        );
        const ends = isIngress ? { from: peers, to: subjects } : { from: subjects, to: peers };
        return { ...ends, ...(block.family === undefined ? {} : { family: block.family }), ...change };
      });
      return { changes, pairs, rest: all.length - changes.length };
    },
  };
}

function sizeIn(group: readonly PlanClass[]): number {
  return group.reduce((sum, { members }) => sum + Math.max(1, members.length), 0);
}

/** Names groups of classes in words. */
function createDescriber(classes: readonly PlanClass[]): (group: readonly PlanClass[], isSender: boolean) => PlanGroup {
  const counts = new Map<string, number>();
  for (const { kind, namespace } of classes) {
    for (const key of new Set([kind, `${kind} ${namespace}`])) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return (group, isSender) => {
    const pods = group.filter(({ kind }) => kind === "pods");
    const parts: string[] = [];
    const countOf = (namespace: string | undefined): number => counts.get(`pods ${namespace}`) ?? 0;
    const all = counts.get("pods") ?? 0;
    if (pods.length > 0 && all - pods.length <= Math.min(named, all / 10)) {
      const ids = new Set(pods.map(({ id }) => id));
      const others = classes.filter(({ kind, id }) => kind === "pods" && !ids.has(id));
      parts.push(others.length === 0 ? "all pods" : `all pods but ${podsText(others, countOf).join(", ")}`);
    } else parts.push(...podsText(pods, countOf));
    const nodes = group.filter(({ kind }) => kind === "nodes");
    // A node always reaches its own pods.
    const own = isSender ? " (but a pod's own)" : "";
    if (nodes.length > 0 && nodes.length === counts.get("nodes")) parts.push(`all nodes${own}`);
    else parts.push(...nodes.map(({ text }) => `${text}${own}`));
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
