import {
  domainNames,
  domainObjectName,
  domainPatternsOf,
  isKubeError,
  type KubeClient,
  maxAddressesPerName,
  type ReflectorEvent,
} from "@ovenbird/kube";
import { Observable } from "rxjs";
import { parseAddress } from "../ipam/address.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import { isInRange, parseRange } from "../pools/address-range.ts";
import { rangesOfNetworks } from "../pools/reserved-ranges.ts";
import type { DomainNameRecord, DomainRecord } from "../state/domain-name.ts";
import type { ObjectProblem } from "../state/object-problem.ts";
import type { PolicyRecord } from "../state/policy.ts";
import { createKeyedQueue } from "../status/keyed-queue.ts";

export interface DomainNamesOptions {
  readonly client: Pick<KubeClient, "delete">;
  readonly network: Pick<NetworkConfig, "families" | "services" | "infrastructure">;
  readonly objects: Observable<ReflectorEvent<DomainNameRecord>>;
  /** Those whose domain names keep objects; the others are passed over. */
  readonly policies: Observable<ReflectorEvent<PolicyRecord>>;
  /** Something of a policy can't be carried out; told once. */
  readonly onProblem?: (problem: ObjectProblem) => void;
  readonly onDeleteError?: (key: string, error: unknown, retryInMs: number | undefined) => void;
  /** A watch ended. */
  readonly failed?: (error: unknown) => void;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** How long an object stays that nobody has a use for. */
  readonly unusedMs?: number;
}

/** Where domain names lead at this moment, for one term of leadership; it also removes objects that are of no more use. */
export interface DomainNames {
  /** To be subscribed to once. An address goes within a second after it has run out. */
  readonly events: Observable<ReflectorEvent<DomainRecord>>;
  /** Names that lead somewhere. */
  readonly size: number;
  /** The cluster has no such resource, so that no agent can write anything; until the objects sync again. */
  lackDefinition(): void;
  close(): Promise<void>;
}

/** Of one wildcard; the names that run out first are forgotten. */
export const maxNamesPerWildcard = 1_000;
const defaultUnusedMs = 60_000;
/** Addresses run out all the time: those of one second are looked at together. */
const tickMs = 1_000;
const longestTimerMs = 3_600_000;

/**
 * Where no name may lead, whoever says so: a policy that gives a name means what is outside of the cluster, and a name's
 * owner can let it lead anywhere (RFC 6890; RFC 4291).
 */
const specialRanges = ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"]
  .concat(["::/127", "::ffff:0.0.0.0/96", "fe80::/10", "ff00::/8"])
  .flatMap((text) => parseRange(text) ?? []);

interface Known {
  readonly record: DomainNameRecord;
  /** Until when each address counts, of those that names may lead to. */
  readonly expiries: readonly (readonly [address: string, expiresAtMs: number])[];
  /** What was told of it. */
  told: DomainRecord | undefined;
  /** Since when it is of no use. */
  unusedSinceMs: number | undefined;
}

export function createDomainNames(options: DomainNamesOptions): DomainNames {
  const { client, onDeleteError, failed, now = Date.now, unusedMs = defaultUnusedMs } = options;
  const forbidden = [...specialRanges, ...rangesOfNetworks(options.network)];
  /** By the object's name. */
  const known = new Map<string, Known>();
  /** How many policies give a name or wildcard. */
  const wanted = new Map<string, number>();
  const namesOfPolicy = new Map<string, { readonly names: readonly string[]; readonly policy: PolicyRecord }>();
  /** Policies of which it was told that their names can't be known. */
  const complainedOf = new Set<string>();
  let isDefined = true;
  let emit: (event: ReflectorEvent<DomainRecord>) => void = () => {};
  let arePoliciesKnown = false;
  let timer: NodeJS.Timeout | undefined;
  let timerAtMs = Number.POSITIVE_INFINITY;
  let size = 0;

  const deletions = createKeyedQueue({
    concurrency: 4,
    async work(key) {
      const one = known.get(key);
      if (one === undefined || !isUseless(one)) return;
      const { uid, resourceVersion } = one.record;
      try {
        // Not what an agent has written meanwhile.
        await client.delete(domainNames, { name: key }, { preconditions: { uid, resourceVersion } });
      } catch (error) {
        if (!isKubeError(error, "NOT_FOUND", "CONFLICT")) throw error;
      }
    },
    isRetried: (error) => !isKubeError(error, "BAD_REQUEST", "INVALID", "FORBIDDEN", "ABORTED", "CLOSED"),
    ...(onDeleteError === undefined ? {} : { onError: onDeleteError }),
  });

  /** The name that an object is about; an object that is not called like its name is nobody's. */
  function domainOf({ key, domain }: DomainNameRecord): string | undefined {
    return domain !== undefined && domainObjectName(domain) === key ? domain : undefined;
  }

  function mayBeLedTo(address: string): boolean {
    const parsed = parseAddress(address);
    return parsed !== undefined && !forbidden.some((range) => isInRange(range, parsed));
  }

  function addressesOf({ expiries }: Known): readonly string[] {
    const atMs = now();
    const alive = expiries.filter(([, expiry]) => expiry > atMs);
    if (alive.length > maxAddressesPerName) {
      alive.sort(([, first], [, second]) => second - first).splice(maxAddressesPerName);
    }
    return alive.map(([address]) => address).sort();
  }

  /** The latest moment at which something of it still counts. */
  const endOf = ({ expiries }: DomainNameRecord): number => Math.max(0, ...expiries.values());

  function isWanted(domain: string): boolean {
    return domainPatternsOf(domain).some((pattern) => wanted.has(pattern));
  }

  /** Since when it has been of no use, as far as is known now. */
  function judge(one: Known): void {
    const domain = domainOf(one.record);
    const isUsed = domain !== undefined && endOf(one.record) > now() && (!arePoliciesKnown || isWanted(domain));
    one.unusedSinceMs = isUsed ? undefined : (one.unusedSinceMs ?? now());
  }

  const isUseless = ({ unusedSinceMs }: Known): boolean =>
    unusedSinceMs !== undefined && unusedSinceMs + unusedMs <= now();

  /** Tells what has changed of it. */
  function tell(key: string, one: Known | undefined, before: DomainRecord | undefined): void {
    const domain = one && domainOf(one.record);
    const addresses = one === undefined || domain === undefined ? [] : addressesOf(one);
    if (before !== undefined && (addresses.length === 0 || before.key !== domain)) {
      size -= 1;
      emit({ kind: "delete", key: before.key, object: before });
    }
    if (one === undefined) return;
    if (domain === undefined || addresses.length === 0) one.told = undefined;
    else if (before?.key === domain && before.addresses.join() === addresses.join()) one.told = before;
    else {
      const object = Object.freeze({ key: domain, addresses });
      one.told = object;
      if (before?.key !== domain) size += 1;
      emit({ kind: "upsert", key: domain, object });
    }
    judge(one);
    if (isUseless(one)) deletions.add(key);
    else wakeFor(one);
  }

  /** When it has to be looked at again. */
  function wakeFor({ record, unusedSinceMs }: Known): void {
    const atMs = now();
    let next = unusedSinceMs === undefined ? Number.POSITIVE_INFINITY : unusedSinceMs + unusedMs;
    for (const expiry of record.expiries.values()) if (expiry > atMs && expiry < next) next = expiry;
    wakeAt(next);
  }

  function wakeAt(atMs: number): void {
    if (atMs >= timerAtMs) return;
    clearTimeout(timer);
    timerAtMs = atMs;
    const delayMs = Math.min(Math.max(atMs - now(), 0), longestTimerMs);
    timer = setTimeout(lookAtAll, Math.ceil(delayMs / tickMs) * tickMs);
    timer.unref();
  }

  function lookAtAll(): void {
    timer = undefined;
    timerAtMs = Number.POSITIVE_INFINITY;
    for (const [key, one] of known) tell(key, one, one.told);
    bound();
  }

  /** Removes those names of wildcards that run out first, where there are too many. */
  function bound(): void {
    if (known.size <= maxNamesPerWildcard) return;
    const byWildcard = new Map<string, { readonly key: string; readonly endMs: number }[]>();
    for (const [key, { record, told }] of known) {
      if (told === undefined || wanted.has(told.key)) continue;
      for (const pattern of domainPatternsOf(told.key)) {
        if (!wanted.has(pattern)) continue;
        const names = byWildcard.get(pattern) ?? [];
        byWildcard.set(pattern, names);
        names.push({ key, endMs: endOf(record) });
      }
    }
    for (const names of byWildcard.values()) {
      if (names.length <= maxNamesPerWildcard) continue;
      names.sort((first, second) => first.endMs - second.endMs);
      for (const { key } of names.slice(0, names.length - maxNamesPerWildcard)) {
        const one = known.get(key);
        if (one === undefined) continue;
        one.unusedSinceMs = 0;
        deletions.add(key);
      }
    }
  }

  function take(event: ReflectorEvent<DomainNameRecord>): void {
    if (event.kind === "synced") {
      isDefined = true;
      emit(event);
      return;
    }
    const before = known.get(event.key);
    if (event.kind === "delete") {
      known.delete(event.key);
      tell(event.key, undefined, before?.told);
      return;
    }
    const one: Known = {
      record: event.object,
      expiries: [...event.object.expiries].filter(([address]) => mayBeLedTo(address)),
      told: undefined,
      unusedSinceMs: before?.unusedSinceMs,
    };
    known.set(event.key, one);
    tell(event.key, one, before?.told);
    if (before === undefined && known.size > maxNamesPerWildcard) wakeAt(now() + tickMs);
  }

  function complain(id: string, { kind, key, uid }: PolicyRecord): void {
    if (complainedOf.has(id)) return;
    complainedOf.add(id);
    options.onProblem?.({
      object: { kind, key, uid },
      code: "POLICY_DOMAIN_NAMES_UNDEFINED",
      message: "The cluster lacks the definition of DomainName, so the policy's domain names let nothing through",
    });
  }

  function takePolicy(event: ReflectorEvent<PolicyRecord>): void {
    if (event.kind === "synced") {
      arePoliciesKnown = true;
      wakeAt(now());
      return;
    }
    const before = namesOfPolicy.get(event.key)?.names ?? [];
    const after = event.kind === "upsert" ? namesIn(event.object) : [];
    if (after.length === 0) {
      namesOfPolicy.delete(event.key);
      complainedOf.delete(event.key);
    } else {
      namesOfPolicy.set(event.key, { names: after, policy: event.object });
      if (!isDefined) complain(event.key, event.object);
    }
    for (const name of after) wanted.set(name, (wanted.get(name) ?? 0) + 1);
    for (const name of before) {
      const count = (wanted.get(name) ?? 1) - 1;
      if (count === 0) wanted.delete(name);
      else wanted.set(name, count);
    }
    if (before.length > 0 || after.length > 0) wakeAt(now());
  }

  const onError = (error: unknown) => failed?.(error);
  const policies = options.policies.subscribe({ next: takePolicy, error: onError });

  return {
    events: new Observable((subscriber) => {
      emit = (event) => subscriber.next(event);
      return options.objects.subscribe({ next: take, error: (error: unknown) => subscriber.error(error) });
    }),
    get size() {
      return size;
    },
    lackDefinition() {
      isDefined = false;
      for (const [id, { policy }] of namesOfPolicy) complain(id, policy);
    },
    async close() {
      policies.unsubscribe();
      emit = () => {};
      clearTimeout(timer);
      timerAtMs = Number.NEGATIVE_INFINITY;
      await deletions.close();
    },
  };
}

/** The domain names that a policy gives, each once. */
function namesIn({ rules }: PolicyRecord): readonly string[] {
  const names = rules.flatMap(({ peers }) =>
    peers === "any" ? [] : peers.flatMap((peer) => (peer.kind === "domains" ? peer.names : [])),
  );
  return [...new Set(names)];
}
