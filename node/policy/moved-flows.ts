import type { Logger } from "../logger.ts";
import type { Backend } from "./backends.ts";
import type { Endpoint, UdpConnection } from "./connection.ts";

/**
 * When the flows have settled everywhere on the node. OVN forgets a connection when its backend goes, milliseconds before
 * its new flows stand: a datagram in between makes the connection anew, with the backend that is gone.
 */
const settledMs = 1_000;
/** Of more Services at a time the further ones are left to rest for their 30 s. */
const mostServices = 1_000;

/** What has become of a Service's port. */
interface Move {
  /** Backends that went, as `address port`. */
  readonly gone: Set<string>;
}

/** Forgets UDP connections that stand still with what is no backend any more, or were made before there was a Service. */
export interface MovedFlows {
  /** @param isThere whether the backend came, or went */
  note(backend: Backend, isThere: boolean): void;
  close(): void;
}

const keyOf = ({ address, port }: Endpoint): string => `${address} ${port}`;

export function createMovedFlows(options: {
  /** All there are, some at a time. */
  readonly connections: () => AsyncIterable<readonly UdpConnection[]>;
  readonly forget: (connection: UdpConnection) => Promise<void>;
  readonly forgotten: (count: number) => void;
  readonly logger: Logger;
}): MovedFlows {
  const { connections, forget, forgotten, logger } = options;
  let moves = new Map<string, Move>();
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  async function settle(): Promise<void> {
    const settled = moves;
    moves = new Map();
    timer = undefined;
    const stuck: UdpConnection[] = [];
    for await (const some of connections()) {
      for (const connection of some) {
        const move = settled.get(keyOf(connection.to));
        if (move === undefined) continue;
        const answeredBy = keyOf(connection.answeredBy);
        if (answeredBy === keyOf(connection.to) || move.gone.has(answeredBy)) stuck.push(connection);
      }
    }
    for (const connection of stuck) await forget(connection);
    if (stuck.length === 0) return;
    forgotten(stuck.length);
    logger.info({ connections: stuck.length }, "forgot UDP connections to Services that stood with a former backend");
  }

  return {
    note({ service, backend }, isThere) {
      const key = keyOf(service);
      const move = moves.get(key) ?? { gone: new Set<string>() };
      if (isThere) move.gone.delete(keyOf(backend));
      else move.gone.add(keyOf(backend));
      if (!moves.has(key) && moves.size >= mostServices) return;
      moves.set(key, move);
      if (timer !== undefined || closed) return;
      timer = setTimeout(() => {
        settle().catch((error: unknown) => {
          if (!closed) logger.warn({ err: error }, "UDP connections to former backends could not be looked for");
        });
      }, settledMs);
    },
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}
