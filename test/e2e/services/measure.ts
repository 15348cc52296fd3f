import { setTimeout as delay } from "node:timers/promises";
import { plainAddress } from "../../../lab/probe/address.ts";
import type { ProbeResult } from "../../../lab/probe/index.ts";
import { type Family, familyOf, type Scene, type Source } from "./scene.ts";

export interface Target {
  readonly address: string;
  readonly port: number;
}

export interface Question {
  readonly targets: readonly Target[];
  readonly protocols: readonly ("tcp" | "udp" | "sctp")[];
  /** Who may answer; undefined for servers that don't say who they are. */
  readonly peers: readonly string[] | undefined;
  /** How often each target is asked, so that more than one backend is met. */
  readonly times: number;
}

const hairpinSources = ["169.254.0.5", "fd69::5"];

/**
 * How a backend saw a client: `client` by an address of its own, `gateway` by a gateway router's address on `join`,
 * `hairpin` by the address for pods that reach themselves, `node` by the client's node's address.
 */
export function nameOfSource(scene: Scene, source: Source, seen: string): string {
  const address = canonical(seen);
  if (source.addresses.some((own) => canonical(own) === address)) return "client";
  if (hairpinSources.includes(address)) return "hairpin";
  if (/^100\.64\.|^fd98:/.test(address)) return "gateway";
  if (source.node !== undefined && scene.nodeAddresses(source.node).includes(address)) return "node";
  return address;
}

function canonical(address: string): string {
  const plain = plainAddress(address);
  return familyOf(plain) === "ipv6" ? new URL(`http://[${plain}]`).hostname.slice(1, -1) : plain;
}

/** At once; more would measure the machine's queues. */
const probesAtOnce = 150;
let running = 0;
const waiting: (() => void)[] = [];

async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (running >= probesAtOnce) await new Promise<void>((resolve) => waiting.push(resolve));
  running += 1;
  try {
    return await work();
  } finally {
    running -= 1;
    waiting.shift()?.();
  }
}

/** What a cell says of one outcome, in a word. */
function wordOf(scene: Scene, source: Source, peers: Question["peers"], outcome: ProbeResult): string {
  switch (outcome.verdict) {
    case "refused":
      return "refused";
    case "dropped":
      return "silence";
    case "error":
      return `error: ${outcome.error ?? ""}`;
    case "connected": {
      if (peers === undefined) return "reply";
      if (outcome.peer === undefined || !peers.includes(outcome.peer))
        return `reply of ${outcome.peer ?? "a stranger"}`;
      return nameOfSource(scene, source, outcome.sourceSeen ?? "");
    }
  }
}

export interface Answer {
  /** All different words, sorted, with commas. */
  readonly text: string;
  /** Who answered, once per answer. */
  readonly peers: readonly string[];
}

export async function ask(scene: Scene, source: Source, question: Question): Promise<Answer> {
  const { targets, protocols, peers, times } = question;
  const outcomes = await Promise.all(
    targets.flatMap(({ address, port }) =>
      protocols.flatMap((protocol) =>
        Array.from({ length: times }, () =>
          inTurn(async () => ({
            target: `${protocol} ${address} ${port}`,
            result: await scene.prober.probe({
              ...{ namespace: source.namespace, to: address, port, protocol },
              timeoutMs: 1300,
            }),
          })),
        ),
      ),
    ),
  );
  const words = outcomes.map(({ result }) => wordOf(scene, source, peers, result));
  return {
    text: [...new Set(words)].sort().join(", ") || "not asked",
    peers: outcomes.flatMap(({ result }) => result.peer ?? []),
  };
}

/** A first packet may be lost while neighbours are resolved, and a row just written is not yet everywhere. */
const pausesMs = [300, 1000, 2000] as const;

/** Measures again for a bounded time what is not as expected. */
export async function patiently(expected: string, measure: () => Promise<string>): Promise<string> {
  let text = await measure();
  for (const pauseMs of pausesMs) {
    if (text === expected) break;
    await delay(pauseMs);
    text = await measure();
  }
  return text;
}

/** One text for a cell that was measured from several sources and in several families. */
export function merge(
  texts: readonly { readonly source: Source; readonly family: Family; readonly text: string }[],
): string {
  const different = [...new Set(texts.map(({ text }) => text))];
  if (different.length === 1) return different[0] ?? "";
  return texts.map(({ source, family, text }) => `${source.name} ${family}: ${text}`).join("; ");
}
