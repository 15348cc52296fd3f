import type { Logger } from "../logger.ts";
import type { Backend } from "./backends.ts";
import type { Endpoint, UdpConnection } from "./connection.ts";
import type { Conntrack } from "./conntrack.ts";

/**
 * How long after a change connections are looked at, and how much later once more. OVN forgets a connection when its
 * backend goes, milliseconds before its new flows stand: a datagram in between makes the connection anew, with the
 * backend that is gone.
 */
const looksMs = { first: 200, second: 800 } as const;
/**
 * After a start of ovn-controller there are no flows at all for a while, which says nothing of backends: then it is looked
 * whether they are there again each time after so long, and they are given as long to be complete.
 */
const rebuildMs = 1_000;
/** Of more Services at a time the further ones are left to rest for their 30 s. */
const mostServices = 1_000;

/** By a Service's address and port: its backends that went. */
type Moves = Map<string, Set<string>>;

/** Forgets UDP connections that stand still with what is no backend any more, or were made before there was a Service. */
export interface MovedFlows {
  /** @param isThere whether the backend came, or went */
  note(backend: Backend, isThere: boolean): void;
  /** What changes is not seen for a while: what was noted so far may not hold any more. */
  reset(): void;
  close(): void;
}

const keyOf = ({ address, port }: Endpoint): string => `${address} ${port}`;

export function createMovedFlows(options: {
  readonly conntrack: Conntrack;
  /** Whether the bridge has ovn-controller's flows. */
  readonly areFlowsThere: () => boolean;
  readonly forgotten: (count: number) => void;
  readonly logger: Logger;
}): MovedFlows {
  const { conntrack, areFlowsThere, forgotten, logger } = options;
  let gathering: Moves | undefined;
  /** Those that are still to be looked at, `gathering` among them. */
  const pending = new Set<Moves>();
  const timers = new Set<NodeJS.Timeout>();
  /** One look after another: each makes vswitchd write down all of its connections. */
  let looking: Promise<void> = Promise.resolve();
  let closed = false;

  async function look(moves: Moves): Promise<void> {
    const stuck: UdpConnection[] = [];
    for await (const some of conntrack.connections(() => true)) {
      for (const connection of some) {
        const gone = moves.get(keyOf(connection.to));
        if (gone === undefined) continue;
        const answeredBy = keyOf(connection.answeredBy);
        // What is answered by the Service's own address was there before the Service.
        if (answeredBy === keyOf(connection.to) || gone.has(answeredBy)) stuck.push(connection);
      }
    }
    let count = 0;
    for (const connection of stuck) {
      try {
        await conntrack.forget(connection);
        count += 1;
      } catch (error) {
        // Most likely it has ended by itself meanwhile.
        logger.debug({ err: error }, "a UDP connection to a former backend could not be forgotten");
      }
    }
    if (count === 0) return;
    forgotten(count);
    logger.info({ connections: count }, "forgot UDP connections to Services that stood with a former backend");
  }

  async function lookNow(moves: Moves): Promise<void> {
    if (closed || !pending.has(moves)) return;
    // What changes while others are looked at is gathered as long, so that few looks wait for their turn.
    if (gathering === moves) gathering = undefined;
    try {
      await look(moves);
    } catch (error) {
      if (!closed) logger.warn({ err: error }, "UDP connections to former backends could not be looked for");
    }
  }

  function lookAfter(ms: number, moves: Moves, done: () => void, wereThere = true): void {
    const timer = setTimeout(() => {
      timers.delete(timer);
      const areThere = areFlowsThere();
      if (!areThere || !wereThere) {
        lookAfter(rebuildMs, moves, done, areThere);
        return;
      }
      looking = looking.then(() => lookNow(moves)).then(done);
    }, ms);
    timers.add(timer);
  }

  function reset(): void {
    for (const timer of timers) clearTimeout(timer);
    timers.clear();
    pending.clear();
    gathering = undefined;
  }

  return {
    note({ service, backend }, isThere) {
      if (closed) return;
      const key = keyOf(service);
      if (isThere) for (const moves of pending) moves.get(key)?.delete(keyOf(backend));
      const moves = gathering ?? new Map<string, Set<string>>();
      if (gathering === undefined) {
        gathering = moves;
        pending.add(moves);
        lookAfter(looksMs.first, moves, () => {
          if (closed || !pending.has(moves)) return;
          lookAfter(looksMs.second, moves, () => pending.delete(moves));
        });
      }
      const gone = moves.get(key);
      if (gone === undefined && moves.size >= mostServices) return;
      if (gone === undefined) moves.set(key, new Set(isThere ? [] : [keyOf(backend)]));
      else if (!isThere) gone.add(keyOf(backend));
    },
    reset,
    close() {
      closed = true;
      reset();
    },
  };
}
