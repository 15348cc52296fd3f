import { addressPoolClass } from "@ovenbird/kube";
import { type Address, type Family, formatAddress, parseAddress } from "../ipam/address.ts";
import type { AddressPoolRecord } from "../state/address-pool.ts";
import type { LoadBalancerRecord } from "../state/load-balancer.ts";
import { createAddressBook } from "./address-book.ts";
import type { AddressRange } from "./address-range.ts";
import type { PoolProblem } from "./pool-problem.ts";
import { byAge, hasFamily, isInPool, type UsablePool, usablePools } from "./pool-ranges.ts";

/** What of a Service decides about its addresses. */
export interface BalancedService {
  /** `namespace/name`. */
  readonly key: string;
  readonly uid: string;
  readonly createdAt: string;
  readonly families: readonly Family[];
  readonly externalIps: readonly string[];
  readonly loadBalancer: LoadBalancerRecord | undefined;
}

/**
 * Hands out the pools' addresses. Pure: what comes out follows from what Services and pools say, and from what Services
 * held before. Nothing is handed out before `begin`.
 */
export interface Allocator {
  setService(service: BalancedService): void;
  deleteService(key: string): void;
  setPool(pool: AddressPoolRecord): void;
  deletePool(name: string): void;
  /** Networks and addresses that no Service may have. */
  reserve(ranges: readonly AddressRange[]): void;
  /** All Services, pools and reservations there are have been told: what statuses say is held, older Services first. */
  begin(): void;
  /** Decides about everything that changed since the last time. */
  settle(): {
    /** Services of which `ingress` or `problems` may say something new. */
    readonly services: ReadonlySet<string>;
    /** Whether pools' counts or problems may have changed. */
    readonly pools: boolean;
  };
  /** The addresses that the Service's status shall have; undefined when the status is not ours to write. */
  ingress(key: string): readonly string[] | undefined;
  problems(key: string): readonly PoolProblem[];
  /** Oldest first. */
  pools(): readonly UsablePool[];
  /** How many addresses of a pool are held. */
  assigned(pool: UsablePool): Readonly<Record<Family, number>>;
}

/** What a Service holds, and what was decided about it. */
interface Decision {
  readonly held: Map<Family, Address>;
  /** What it was given before and perhaps still has in its status, until that is empty. */
  readonly former: Set<string>;
  /** Addresses that others can't have because this Service names them itself. */
  blocked: readonly Address[];
  ingress: readonly string[] | undefined;
  problems: readonly PoolProblem[];
}

const addressesOf = (texts: readonly string[]): Address[] => texts.flatMap((text) => parseAddress(text) ?? []);

export function createAllocator(): Allocator {
  const services = new Map<string, BalancedService>();
  const decisions = new Map<string, Decision>();
  const records = new Map<string, AddressPoolRecord>();
  const book = createAddressBook();
  /** Services that want an address and found none. */
  const waiting = new Set<string>();
  const dirty = new Set<string>();
  let reserved: readonly AddressRange[] = [];
  let pools: readonly UsablePool[] = [];
  let poolsChanged = true;
  let countsChanged = false;
  let freed = false;
  let begun = false;

  function decisionOf(key: string): Decision {
    const known = decisions.get(key);
    if (known !== undefined) return known;
    const made: Decision = { held: new Map(), former: new Set(), blocked: [], ingress: undefined, problems: [] };
    decisions.set(key, made);
    return made;
  }

  const poolOf = (address: Address): UsablePool | undefined => pools.find((pool) => isInPool(pool, address));
  const isReserved = (address: Address): boolean =>
    reserved.some(
      ({ family, first, last }) => family === address.family && address.value >= first && address.value <= last,
    );

  function hold(key: string, decision: Decision, address: Address): void {
    book.hold(address, key);
    decision.held.set(address.family, address);
    decision.former.add(formatAddress(address));
    countsChanged = true;
  }

  function release(decision: Decision, family: Family): void {
    const address = decision.held.get(family);
    if (address === undefined) return;
    book.release(address);
    decision.held.delete(family);
    freed = true;
    countsChanged = true;
  }

  function block(decision: Decision, addresses: readonly Address[]): void {
    for (const address of addresses) book.block(address, 1);
    for (const address of decision.blocked) book.block(address, -1);
    if (decision.blocked.length > 0) freed = true;
    decision.blocked = addresses;
  }

  /** Whether the Service is ours to give addresses to. */
  function isOurs(wish: LoadBalancerRecord, { held }: Decision): boolean {
    if (!wish.isBalanced) return false;
    if (wish.loadBalancerClass !== undefined) return wish.loadBalancerClass === addressPoolClass;
    if (wish.isExplicit) return true;
    if (wish.ingressText !== "[]") {
      // Another controller's, unless we gave or can give one of the addresses.
      const given = addressesOf(wish.ingress);
      const isOwn = given.some(
        (address) => held.get(address.family)?.value === address.value || poolOf(address) !== undefined,
      );
      if (!isOwn) return false;
    }
    return held.size > 0 || pools.some(({ record }) => record.spec?.autoAssign === true);
  }

  /** The pools that may serve it, in the order in which they are asked: by name, those for everybody first. */
  function candidates({ pool: name, loadBalancerClass }: LoadBalancerRecord, asks: boolean): readonly UsablePool[] {
    if (name !== undefined) return pools.filter(({ record }) => record.key === name);
    const rank = ({ record }: UsablePool) => (record.spec?.autoAssign === true ? 0 : 1);
    return pools
      .filter((pool) => asks || loadBalancerClass === addressPoolClass || rank(pool) === 0)
      .sort((a, b) => rank(a) - rank(b) || (a.record.key < b.record.key ? -1 : 1));
  }

  /** Whether an address that the Service has may stay. */
  function mayKeep(key: string, wish: LoadBalancerRecord, address: Address, asked: Address | undefined): boolean {
    if (asked !== undefined && asked.value !== address.value) return false;
    const holder = book.holderOf(address);
    if ((holder !== undefined && holder !== key) || isReserved(address)) return false;
    // The pool that it was taken from may have shrunk: what a Service has it keeps.
    const from = poolOf(address);
    return wish.pool === undefined || from === undefined || from.record.key === wish.pool;
  }

  function decideFamily(
    service: BalancedService,
    wish: LoadBalancerRecord,
    decision: Decision,
    family: Family,
    problems: PoolProblem[],
  ): void {
    const { key } = service;
    const asked = addressesOf(wish.asked).find((address) => address.family === family);
    const given = addressesOf(wish.ingress).find((address) => address.family === family);
    const current = decision.held.get(family) ?? given;
    if (current !== undefined && mayKeep(key, wish, current, asked)) {
      if (!decision.held.has(family)) hold(key, decision, current);
      if (poolOf(current) === undefined) {
        const message = `${formatAddress(current)} is in no pool any more; it stays until the Service asks for another`;
        problems.push({ code: "POOL_ADDRESS_LEFT", message });
      }
      return;
    }
    const holder = current === undefined ? undefined : book.holderOf(current);
    // What it gave up itself may be another's before its status says so.
    const wasGiven = current !== undefined && decision.former.has(formatAddress(current));
    if (current !== undefined && holder !== undefined && holder !== key && !wasGiven) {
      const message = `${formatAddress(current)} belongs to the Service ${holder}`;
      problems.push({ code: "POOL_ADDRESS_CONFLICT", message });
    }
    release(decision, family);
    const from = candidates(wish, asked !== undefined);
    const isFree = (address: Address) => book.holderOf(address) === undefined && !book.isBlocked(address);
    let found: Address | undefined;
    if (asked !== undefined) {
      if (from.some((pool) => isInPool(pool, asked)) && isFree(asked)) found = asked;
      else {
        const user = book.holderOf(asked);
        const why = user === undefined ? "in no pool that the Service may use, or used otherwise" : `held by ${user}`;
        problems.push({ code: "POOL_ADDRESS_UNAVAILABLE", message: `${formatAddress(asked)} is ${why}` });
      }
    } else if (wish.asked.every((text) => parseAddress(text) !== undefined)) {
      const ranges = from.flatMap((pool) => pool.ranges);
      found = book.firstFree(ranges, family);
      if (found === undefined && from.some((pool) => hasFamily(pool, family))) {
        const names = from.map(({ record }) => record.key).join(", ");
        problems.push({ code: "POOL_EXHAUSTED", message: `No IPv${family} address is free in ${names}` });
      }
    }
    if (found === undefined) waiting.add(key);
    else hold(key, decision, found);
  }

  function decide(key: string): void {
    const service = services.get(key);
    waiting.delete(key);
    if (service === undefined) return;
    const decision = decisionOf(key);
    const wish = service.loadBalancer;
    const problems: PoolProblem[] = [];
    decision.problems = problems;
    const external = addressesOf(service.externalIps);
    if (wish === undefined || !isOurs(wish, decision)) {
      for (const family of [...decision.held.keys()]) release(decision, family);
      const rest = addressesOf(wish?.ingress ?? []);
      // What another type of Service has in its status is nobody's; what another class has is, unless we gave it.
      const isOurRest =
        rest.length > 0 &&
        (wish?.isBalanced === true
          ? rest.every((address) => decision.former.has(formatAddress(address)))
          : rest.some((address) => decision.former.has(formatAddress(address)) || poolOf(address) !== undefined));
      decision.ingress = isOurRest ? [] : undefined;
      if (wish?.isBalanced !== true && rest.length === 0) decision.former.clear();
      block(decision, wish?.isBalanced === true && !isOurRest ? [...external, ...rest] : external);
      return;
    }
    block(decision, external);
    for (const text of wish.asked) {
      if (parseAddress(text) !== undefined) continue;
      problems.push({ code: "POOL_ADDRESS_INVALID", message: `${JSON.stringify(text)} is not an address` });
    }
    if (wish.pool !== undefined && !pools.some(({ record }) => record.key === wish.pool)) {
      problems.push({ code: "POOL_UNKNOWN", message: `There is no AddressPool ${wish.pool}` });
    }
    for (const family of [...decision.held.keys()]) if (!service.families.includes(family)) release(decision, family);
    for (const family of service.families) decideFamily(service, wish, decision, family, problems);
    if (decision.held.size === 0 && problems.length === 0) {
      const families = service.families.map((family) => `IPv${family}`).join(" and ");
      problems.push({ code: "POOL_EXHAUSTED", message: `No pool for this Service has addresses of ${families}` });
    }
    decision.ingress = service.families.flatMap((family) => {
      const address = decision.held.get(family);
      return address === undefined ? [] : [formatAddress(address)];
    });
  }

  function forget(key: string): void {
    const decision = decisions.get(key);
    if (decision === undefined) return;
    for (const family of [...decision.held.keys()]) release(decision, family);
    block(decision, []);
    decisions.delete(key);
    waiting.delete(key);
  }

  function* inOrder(keys: Iterable<string>): Generator<string> {
    const found = [...keys].flatMap((key) => services.get(key) ?? []);
    for (const { key } of found.sort(byAge)) yield key;
  }

  /** What statuses say, and what Services name themselves, before anything new is handed out. */
  function restore(): void {
    for (const { key, externalIps, loadBalancer, families } of [...services.values()].sort(byAge)) {
      const decision = decisionOf(key);
      block(decision, addressesOf(externalIps));
      if (loadBalancer === undefined || !isOurs(loadBalancer, decision)) {
        // An address that somebody else gave is not handed out either.
        const rest = loadBalancer?.isBalanced === true ? addressesOf(loadBalancer.ingress) : [];
        block(decision, [...addressesOf(externalIps), ...rest]);
        continue;
      }
      const asked = addressesOf(loadBalancer.asked);
      for (const address of addressesOf(loadBalancer.ingress)) {
        const wanted = asked.find(({ family }) => family === address.family);
        const isFirst = families.includes(address.family) && !decision.held.has(address.family);
        if (isFirst && mayKeep(key, loadBalancer, address, wanted)) hold(key, decision, address);
      }
    }
  }

  return {
    setService(service) {
      const before = services.get(service.key);
      // Another Service under the name has no claim to what the former one held.
      if (before !== undefined && before.uid !== service.uid) forget(service.key);
      const concerns = service.loadBalancer !== undefined || service.externalIps.length > 0;
      if (!concerns && !decisions.has(service.key)) {
        services.delete(service.key);
        return;
      }
      services.set(service.key, service);
      dirty.add(service.key);
    },
    deleteService(key) {
      services.delete(key);
      dirty.delete(key);
      forget(key);
    },
    setPool(pool) {
      records.set(pool.key, pool);
      poolsChanged = true;
    },
    deletePool(name) {
      if (records.delete(name)) poolsChanged = true;
    },
    reserve(ranges) {
      reserved = ranges;
      poolsChanged = true;
    },
    begin() {
      pools = usablePools(records.values(), reserved);
      restore();
      begun = true;
    },
    settle() {
      const decided = new Set<string>();
      if (!begun) return { services: decided, pools: false };
      let poolsMayDiffer = poolsChanged;
      if (poolsChanged) {
        pools = usablePools(records.values(), reserved);
        book.forgetRanges();
        poolsChanged = false;
        for (const key of services.keys()) dirty.add(key);
      }
      // What one gives up another may be waiting for, and that one may give up something for it.
      do {
        const due = new Set(dirty);
        dirty.clear();
        if (freed) for (const key of waiting) due.add(key);
        freed = false;
        for (const key of inOrder(due)) {
          decide(key);
          decided.add(key);
        }
      } while (freed && waiting.size > 0);
      poolsMayDiffer ||= countsChanged;
      countsChanged = false;
      return { services: decided, pools: poolsMayDiffer };
    },
    ingress: (key) => decisions.get(key)?.ingress,
    problems: (key) => decisions.get(key)?.problems ?? [],
    pools: () => pools,
    assigned(pool) {
      const counts = { 4: 0, 6: 0 };
      for (const { held } of decisions.values()) {
        for (const address of held.values()) if (isInPool(pool, address)) counts[address.family]++;
      }
      return counts;
    },
  };
}
