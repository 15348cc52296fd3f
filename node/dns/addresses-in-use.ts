import type { Logger } from "../logger.ts";
import type { DomainNameWriter } from "./domain-name-writer.ts";
import { leastHoldMs } from "./hold.ts";

/** Lines of `dpctl/dump-conntrack` (ovs-dpctl(8)), some at a time. */
export type Connections = () => AsyncIterable<readonly string[]>;

const connection = /^(tcp|udp|sctp),orig=\(src=[^,]+,dst=([^,]+),/;

/** Whom an established connection was opened to; undefined for others. */
export function destinationOf(line: string): string | undefined {
  const [, protocol, destination] = connection.exec(line) ?? [];
  return protocol === "udp" || line.includes("state=ESTABLISHED") ? destination : undefined;
}

/** How long before an address runs out it is looked whether it is in use; by chance within it, so that one node is first. */
const aheadMs = { least: 15_000, most: 25_000 } as const;
/** What runs out soon after that is looked at in the same go. */
const togetherMs = 10_000;
/** Between two looks: connection tracking may hold a million connections. */
const restMs = 10_000;
/** For how long an address in use is held. */
export const inUseHoldMs = 2 * leastHoldMs;

/**
 * Keeps addresses that pods of this node have connections to from running out: a program that keeps a connection has no
 * reason to look the name up again, and would be cut off from one moment to the next, in silence.
 */
export interface AddressesInUse {
  /** Something may run out earlier than it did. */
  look(): void;
  close(): void;
}

export function keepAddressesInUse(options: {
  readonly writer: Pick<DomainNameWriter, "ending" | "nextEndMs" | "prolong">;
  readonly connections: Connections;
  readonly logger: Logger;
}): AddressesInUse {
  const { writer, connections, logger } = options;
  let timer: NodeJS.Timeout | undefined;
  let timerAtMs = Number.POSITIVE_INFINITY;
  let restUntilMs = 0;
  let running = false;
  let closed = false;

  function look(): void {
    if (closed || running) return;
    const end = writer.nextEndMs();
    if (end === Number.POSITIVE_INFINITY) return;
    const ahead = aheadMs.least + Math.random() * (aheadMs.most - aheadMs.least);
    const atMs = Math.max(end - ahead, restUntilMs, Date.now());
    // Chance must not move what is set for about the same time already.
    if (atMs > timerAtMs - (aheadMs.most - aheadMs.least)) return;
    clearTimeout(timer);
    timerAtMs = atMs;
    timer = setTimeout(run, atMs - Date.now());
    timer.unref();
  }

  async function run(): Promise<void> {
    timerAtMs = Number.POSITIVE_INFINITY;
    running = true;
    try {
      await prolong();
    } catch (error) {
      logger.warn({ err: error }, "whether addresses of domain names are in use could not be seen");
    } finally {
      running = false;
      restUntilMs = Date.now() + restMs;
      look();
    }
  }

  async function prolong(): Promise<void> {
    const ending = writer.ending(Date.now() + aheadMs.most + togetherMs);
    if (ending.length === 0) return;
    const sought = new Set(ending.map(({ address }) => address));
    const used = new Set<string>();
    for await (const lines of connections()) {
      for (const line of lines) {
        const destination = destinationOf(line);
        if (destination !== undefined && sought.has(destination)) used.add(destination);
      }
    }
    for (const { name, address } of ending) {
      if (used.has(address) && !closed) writer.prolong(name, address, Date.now() + inUseHoldMs);
    }
  }

  return {
    look,
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}
