import {
  canonicalDomain,
  createBackoff,
  domainNames,
  domainObjectName,
  isKubeError,
  type KubeClient,
  maxAddressesPerName,
  reflect,
} from "@ovenbird/kube";
import type { Logger } from "../logger.ts";
import { holdMs, neededMs } from "./hold.ts";
import { type KnownName, projectKnownName } from "./known-name.ts";

export type Learnt =
  /** The cluster did not know it for so long, and is told. */
  | "learnt"
  | "known"
  /** Too many new names at once, or too many that can't be written. */
  | "limited";

export interface DomainNameWriter {
  /** Takes what an answer said of a name that policies give. */
  learn(name: string, address: string, ttlSeconds: number): Learnt;
  /**
   * Addresses that run out between now and then and that pods of this node may have connections to: those of names that an
   * answer was seen for here, or that were known already when this began.
   */
  ending(beforeMs: number): readonly { readonly name: string; readonly address: string }[];
  /** When the next such address runs out; Infinity where none does. */
  nextEndMs(): number;
  /** Holds an address for longer, though no answer says so. */
  prolong(name: string, address: string, untilMs: number): void;
  /** Resolves when all that was learnt is written, or given up. */
  idle(): Promise<void>;
  /** Writes what is still to be written, once, as far as there is time, and ends. */
  close(): Promise<void>;
}

export interface DomainNameWriterOptions {
  readonly client: Pick<KubeClient, "listPage" | "watch" | "patch" | "create">;
  readonly logger: Logger;
  readonly onWrite?: (result: "ok" | "failed") => void;
  /** Something may end at another time than it did. */
  readonly onChange?: () => void;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** Names that nobody knew yet: so many at once, and so many a second after that. */
const newNamesBurst = 200;
const newNamesPerSecond = 20;
/** Names that wait to be written, while the API can't be reached. */
const mostPending = 2_000;
/** Names whose answers are kept in mind, so that no other node's writing shortens them. */
const mostRemembered = 4_000;
const concurrency = 8;
/** How long the last writes may take: who stops the agent waits for them. */
const lastWritesMs = 2_000;

/** Takes out the address that runs out first. */
function dropFirstEnding(ends: Map<string, number>): void {
  const [first] = [...ends].sort(([, one], [, other]) => one - other);
  if (first !== undefined) ends.delete(first[0]);
}

const isHopeless = (error: unknown): boolean =>
  isKubeError(error, "BAD_REQUEST", "INVALID", "REQUEST_TOO_LARGE", "ABORTED", "CLOSED");

/**
 * Writes what answers said into DomainName objects, which all nodes share: an address that any of them has told already
 * for long enough is not told again. Each address is a key of its own, so what several nodes tell adds up, whatever the
 * order.
 */
export function createDomainNameWriter(options: DomainNameWriterOptions): DomainNameWriter {
  const { client, logger, onWrite, onChange, now = Date.now } = options;
  /** By the object's name. */
  const known = new Map<string, KnownName>();
  /** By the object's name: until when answers that were seen here count, whoever has written what meanwhile. */
  const answered = new Map<string, { readonly name: string; readonly until: Map<string, number> }>();
  /** Objects of names that pods of this node may have connections to. */
  const here = new Set<string>();
  /** By domain name: until when each address is to be held. */
  const pending = new Map<string, Map<string, number>>();
  const writing = new Map<string, { readonly fresh: ReadonlyMap<string, number>; readonly done: Promise<void> }>();
  const idlers: (() => void)[] = [];
  const backoff = createBackoff({ minMs: 200, maxMs: 10_000 });
  let pause: NodeJS.Timeout | undefined;
  let synced = false;
  let closed = false;
  const giveUp = new AbortController();
  let warnedOf: string | undefined;
  let tokens = newNamesBurst;
  let tokensAtMs = now();

  const watching = reflect(client, domainNames, {
    project: projectKnownName,
    // Without the definition nothing can be written, which is said then.
    mayBeAbsent: true,
    backoff: { minMs: 1_000, maxMs: 60_000 },
  }).subscribe((event) => {
    if (event.kind === "upsert") {
      known.set(event.key, event.object);
      if (!synced) here.add(event.key);
      restore(event.key, event.object);
      // Each means a look at all that is known: while that only comes, once is enough.
      if (synced) onChange?.();
    } else if (event.kind === "delete") {
      known.delete(event.key);
      answered.delete(event.key);
      here.delete(event.key);
    } else {
      // Before that a shorter time might be written over a longer one.
      synced = true;
      dropKnown();
      next();
      onChange?.();
    }
  });

  /** Two nodes may have written at the same moment, and the shorter time may have come last. */
  function restore(key: string, { expiries }: KnownName): void {
    const own = answered.get(key);
    if (own === undefined) return;
    const atMs = now();
    for (const [address, until] of own.until) {
      if (until <= atMs) own.until.delete(address);
      else if ((expiries.get(address) ?? 0) < until && expiries.size < maxAddressesPerName) {
        hold(own.name, address, until);
      }
    }
    if (own.until.size === 0) answered.delete(key);
  }

  /** What was learnt before it was known what others have written may be known to all. */
  function dropKnown(): void {
    for (const [name, fresh] of pending) {
      const key = domainObjectName(name);
      const expiries = known.get(key)?.expiries;
      const until = answered.get(key)?.until;
      for (const address of [...fresh.keys()]) {
        const needed = until?.get(address);
        if (needed !== undefined && (expiries?.get(address) ?? 0) >= needed) fresh.delete(address);
      }
      if (fresh.size === 0) pending.delete(name);
    }
  }

  function hold(name: string, address: string, until: number): void {
    const waiting = pending.get(name) ?? new Map<string, number>();
    const onItsWay = writing.get(name)?.fresh.get(address) ?? 0;
    if (Math.max(waiting.get(address) ?? 0, onItsWay) >= until) return;
    pending.set(name, waiting.set(address, until));
    // While nothing can be written; more would not be.
    if (waiting.size > maxAddressesPerName) dropFirstEnding(waiting);
    next();
  }

  /** Keeps in mind what an answer said; those that have run out make room for others. */
  function remember(name: string, address: string, until: number): void {
    const key = domainObjectName(name);
    if (answered.size >= mostRemembered && !answered.has(key)) {
      const atMs = now();
      for (const [other, one] of answered) {
        if (![...one.until.values()].some((end) => end > atMs)) answered.delete(other);
      }
      if (answered.size >= mostRemembered) return;
    }
    const own = answered.get(key) ?? { name, until: new Map<string, number>() };
    own.until.set(address, Math.max(until, own.until.get(address) ?? 0));
    if (own.until.size > maxAddressesPerName) dropFirstEnding(own.until);
    answered.set(key, own);
  }

  function mayBeNew(): boolean {
    const atMs = now();
    tokens = Math.min(newNamesBurst, tokens + (Math.max(0, atMs - tokensAtMs) * newNamesPerSecond) / 1_000);
    tokensAtMs = atMs;
    if (tokens < 1 || pending.size >= mostPending) return false;
    tokens -= 1;
    return true;
  }

  /** Those that have run out, and those that run out first where there would be too many: null takes a key out. */
  function statusOf(before: KnownName | undefined, fresh: ReadonlyMap<string, number>): object {
    const atMs = now();
    const all = new Map([...(before?.expiries ?? []), ...fresh]);
    const kept = new Set(
      [...all]
        .filter(([, expiry]) => expiry > atMs)
        .sort(([, first], [, second]) => second - first)
        .slice(0, maxAddressesPerName)
        .map(([address]) => address),
    );
    const gone = [...(before?.expiries.keys() ?? [])].filter((address) => !kept.has(address));
    const told = [...fresh].filter(([address]) => kept.has(address));
    return {
      addresses: Object.fromEntries([
        ...gone.map((address) => [address, null] as const),
        ...told.map(([address, expiry]) => [address, new Date(expiry).toISOString()] as const),
      ]),
    };
  }

  async function put(name: string, fresh: ReadonlyMap<string, number>): Promise<unknown> {
    const target = { name: domainObjectName(name) };
    const spec = { name: canonicalDomain(name) ?? name };
    const { signal } = giveUp;
    const patch = () =>
      client.patch(
        domainNames,
        target,
        { spec, status: statusOf(known.get(target.name), fresh) },
        { type: "merge", signal },
      );
    const create = () =>
      client.create(
        domainNames,
        {},
        {
          ...{ apiVersion: "ovenbird.io/v1alpha1", kind: domainNames.kind, metadata: target },
          ...{ spec, status: statusOf(undefined, fresh) },
        },
        { signal },
      );
    try {
      return await (known.has(target.name) ? patch() : create());
    } catch (error) {
      if (isKubeError(error, "ALREADY_EXISTS")) return patch();
      if (isKubeError(error, "NOT_FOUND") && known.delete(target.name)) return create();
      throw error;
    }
  }

  async function write(name: string, fresh: ReadonlyMap<string, number>): Promise<void> {
    try {
      const object = await put(name, fresh);
      known.set(domainObjectName(name), projectKnownName(object));
      here.add(domainObjectName(name));
      onChange?.();
      backoff.reset();
      warnedOf = undefined;
      onWrite?.("ok");
    } catch (error) {
      onWrite?.("failed");
      const code = isKubeError(error) ? error.code : String(error);
      if (warnedOf !== code) logger.warn({ err: error, name }, "addresses of a domain name could not be written");
      warnedOf = code;
      // The others would fare no better.
      if (closed) pending.clear();
      if (isHopeless(error) || closed) return;
      const newer = pending.get(name);
      pending.set(name, new Map([...fresh, ...(newer ?? [])]));
      pause ??= setTimeout(() => {
        pause = undefined;
        next();
      }, backoff.next());
    }
  }

  function next(): void {
    for (const [name, fresh] of pending) {
      if (!synced || pause !== undefined || writing.size >= concurrency) break;
      if (writing.has(name)) continue;
      pending.delete(name);
      const done = write(name, fresh).finally(() => {
        writing.delete(name);
        next();
      });
      writing.set(name, { fresh, done });
    }
    if (pending.size === 0 && writing.size === 0) for (const resolve of idlers.splice(0)) resolve();
  }

  return {
    learn(name, address, ttlSeconds) {
      const atMs = now();
      const needed = atMs + neededMs(ttlSeconds);
      const before = known.get(domainObjectName(name));
      const waiting = pending.get(name);
      const onItsWay = writing.get(name)?.fresh.get(address) ?? 0;
      const until = Math.max(before?.expiries.get(address) ?? 0, waiting?.get(address) ?? 0, onItsWay);
      const isNew = before === undefined && waiting === undefined && !writing.has(name);
      if (closed || (isNew && !mayBeNew())) return "limited";
      remember(name, address, needed);
      if (before !== undefined) here.add(domainObjectName(name));
      if (until > atMs && until >= needed) return "known";
      hold(name, address, atMs + holdMs(ttlSeconds));
      return "learnt";
    },
    ending(beforeMs) {
      const atMs = now();
      return [...here].flatMap((key) => {
        const { name = "", expiries = [] } = known.get(key) ?? {};
        return [...expiries].flatMap(([address, end]) => (end > atMs && end <= beforeMs ? [{ name, address }] : []));
      });
    },
    nextEndMs() {
      const atMs = now();
      let next = Number.POSITIVE_INFINITY;
      for (const key of here) {
        for (const end of known.get(key)?.expiries.values() ?? []) if (end > atMs && end < next) next = end;
      }
      return next;
    },
    prolong(name, address, untilMs) {
      if (!closed) hold(name, address, untilMs);
    },
    idle: () =>
      new Promise((resolve) => {
        idlers.push(resolve);
        next();
      }),
    async close() {
      closed = true;
      watching.unsubscribe();
      clearTimeout(pause);
      pause = undefined;
      if (!synced) pending.clear();
      const enough = setTimeout(() => giveUp.abort(new Error("the agent is stopping")), lastWritesMs);
      next();
      while (writing.size > 0) await Promise.all([...writing.values()].map(({ done }) => done));
      clearTimeout(enough);
    },
  };
}
