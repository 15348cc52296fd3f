import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** The destination of all that is flooded; nobody listens there. */
export const floodPort = 7777;

/** What the process that floods is told, a line of JSON each. */
export type Order =
  /** From then on, from every source, by turns to these. */
  | { readonly kind: "aim"; readonly addresses: readonly string[] }
  | { readonly kind: "source"; readonly namespace: string; readonly packetsPerSecond: number }
  /** No source from then on; answered by a line of tallies. */
  | { readonly kind: "rest" };

export interface Tally {
  readonly namespace: string;
  /** Packets that the kernel took. */
  readonly sent: number;
  /** Packets that it refused: there was no address or no route yet. */
  readonly failed: number;
}

export interface Flood {
  aim(addresses: readonly string[]): void;
  /** From a network namespace, which may be only just being made: half of it datagrams, half TCP SYNs. */
  from(namespace: string, packetsPerSecond: number): void;
  /** Ends what comes from the sources there are. */
  rest(): Promise<readonly Tally[]>;
  close(): Promise<void>;
}

/** Packets to port 7777 from a process of its own, so that a busy test sends as steadily as an idle one. */
export async function startFlood(): Promise<Flood> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "flood-process.ts")], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(child, "close");
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error("the flood has ended");
    return String(value);
  };
  const order = (what: Order) => {
    child.stdin.write(`${JSON.stringify(what)}\n`);
  };
  await next();
  return {
    aim: (addresses) => order({ kind: "aim", addresses }),
    from: (namespace, packetsPerSecond) => order({ kind: "source", namespace, packetsPerSecond }),
    async rest() {
      order({ kind: "rest" });
      return JSON.parse(await next()) as readonly Tally[];
    },
    async close() {
      child.stdin.end();
      await ended;
    },
  };
}
