import type { Uuid } from "ovsdb-client-ts";
import type { Cidr, Family } from "../ipam/address.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { LogPolicy } from "../state/namespace.ts";
import type { Problem } from "../state/object-problem.ts";
import type { Direction, PolicyRecord } from "../state/policy.ts";
import type { Complain } from "../state/policy-problem.ts";
import type { Bundle, BundleChange, Owner } from "../translate/desired.ts";
import { policyBundle, policyOwner } from "../translate/policy-acls.ts";
import type { PolicyContext } from "../translate/policy-context.ts";
import type { PolicyLayout } from "../translate/policy-layout.ts";
import { changedRanks, rankPolicies } from "../translate/policy-ranks.ts";
import type { PolicySets } from "../translate/policy-sets.ts";
import type { ContentSets } from "./content-sets.ts";
import { createLoggedNamespaces } from "./logged-namespaces.ts";
import type { PodSets } from "./pod-sets.ts";
import type { ProblemLog } from "./problem-log.ts";
import { PolicyUses } from "./used-set.ts";

export interface PolicyGraphOptions {
  readonly network: Pick<NetworkConfig, "families"> & { readonly infrastructure?: readonly Cidr[] };
  readonly layout: PolicyLayout;
  readonly podSets: PodSets;
  readonly contentSets: ContentSets;
  readonly problems: ProblemLog;
  /** `policyId`s of policies that had rows before the start; asked once, in the first flush. */
  restored(): Iterable<string>;
}

export interface PolicyChanges {
  /**
   * What comes before what changes, since that may have to take the place of it. What goes is among it where all happens
   * together, as it does but for a start: what one policy says may hold only with what another says beside it.
   */
  readonly changed: readonly BundleChange[];
  readonly gone: readonly BundleChange[];
}

/**
 * The part of the graph that makes bundles of policies, of all kinds. A policy is translated anew only when it changed itself, or something that its
 * translation asked for.
 */
export interface PolicyGraph {
  /** The newest that were applied, by `policyId`. */
  readonly records: ReadonlyMap<string, PolicyRecord>;
  apply(id: string, policy: PolicyRecord | undefined): void;
  applyNamespace(name: string, logPolicy: LogPolicy | undefined): void;
  /**
   * A tenant whose pods have own addresses that others may have as well: their selection labels are `labelsInTenant`.
   * @param peers those who see them at these; undefined when there are no such pods any more
   */
  applyTenant(name: string, peers: readonly string[] | undefined): void;
  /** Translates, and takes and gives up the sets that are asked for. */
  flush(): PolicyChanges;
  bundleOf(owner: Owner): Bundle | undefined;
  /** In what the rows of a policy (by `policyId`) say less or else than its record, as of the last flush. */
  shortcomingsOf(id: string): readonly Problem[];
}

/** What was made of a policy, and what it asks for. */
interface Translated {
  readonly bundle: Bundle | undefined;
  readonly uses: PolicyUses;
  /** Those whose views it stands for. */
  readonly tenants: readonly string[];
  /** What of it goes beyond what all can bear. */
  readonly problems: readonly Problem[];
}

const noUses = new PolicyUses();
const noTenants: readonly string[] = Object.freeze([]);
const directions: readonly Direction[] = ["ingress", "egress"];

export function createPolicyGraph(options: PolicyGraphOptions): PolicyGraph {
  const { network, layout, podSets, contentSets, problems, restored } = options;
  const families = new Set(network.families.map(({ family }) => family));
  const records = new Map<string, PolicyRecord>();
  /** Those that aren't NetworkPolicies: few, and ranked among each other. */
  const ranked = new Map<string, PolicyRecord>();
  const namespacePolicies = new Map<string, Set<string>>();
  const translated = new Map<string, Translated>();
  const dirty = new Set<string>();
  const logging = createLoggedNamespaces();
  /** Whom the pods of a tenant see by own addresses; empty where no pod's own address may be another's as well. */
  const tenants = new Map<string, readonly string[]>();
  let ranks = rankPolicies([], layout);
  let ranksAreOld = false;
  /** The database may hold them ranked otherwise. */
  let isFirst = true;

  /** @param needed takes the address sets that were given, for OVN ignores an ACL that names one which isn't there */
  function answering(uses: PolicyUses, needed: Set<Uuid>): PolicySets {
    return {
      group(selector) {
        const set = podSets.of(selector);
        uses.add(set, "group");
        return set.group;
      },
      addresses(content, family) {
        if (!families.has(family)) return undefined;
        if (content.kind === "pods") {
          const set = podSets.of(content.selector);
          const { use, name, uuid } = set.addresses(family, content.own === true);
          uses.add(set, use);
          needed.add(uuid);
          return name;
        }
        const set = contentSets.of(content);
        const named = set.named(family);
        if (named === undefined) return undefined;
        uses.add(set, family);
        needed.add(named.uuid);
        return named.name;
      },
      views(selector) {
        if (tenants.size === 0) return [];
        return podSets.tenants(selector, uses).map((tenant) => ({ tenant, sees: tenants.get(tenant) ?? [tenant] }));
      },
      portNumbers: (selector, protocol, name) => podSets.numbers(selector, protocol, name, uses),
    };
  }

  function contextOf(sets: PolicySets, complain: Complain): PolicyContext {
    return { sets, layout, network, podNetworks, ranks, logged: logging.logged, complain };
  }

  function podNetworks(family: Family): readonly Cidr[] {
    const cluster = network.families.filter((own) => own.family === family).map((own) => own.cluster);
    const infrastructure = network.infrastructure?.filter((own) => own.family === family) ?? [];
    return tenants.size === 0 ? cluster : [...cluster, ...infrastructure];
  }

  function translate(policy: PolicyRecord): Translated {
    const uses = new PolicyUses();
    const { subject } = policy;
    if (subject !== undefined) {
      const set = podSets.of(subject);
      uses.add(set, "subject");
      for (const direction of policy.isolates) uses.add(set, direction);
    }
    const problems = new Map<string, Problem>();
    const complain: Complain = (code, message) => problems.set(message, { code, message });
    const needed = new Set<Uuid>();
    const acls = policyBundle(policy, contextOf(answering(uses, needed), complain));
    const needs = [...needed].map((uuid) => ({ table: "Address_Set", uuid }) as const);
    const seen = tenants.size === 0 || subject === undefined ? noTenants : podSets.tenants(subject, uses);
    return { bundle: acls && { ...acls, needs }, uses, tenants: seen, problems: [...problems.values()] };
  }

  function* askersOf(tenant: string): Generator<string> {
    for (const [id, { tenants: asked }] of translated) if (asked.includes(tenant)) yield id;
  }

  /** @returns the former bundle */
  function replace(id: string, now: Translated | undefined): Bundle | undefined {
    const before = translated.get(id);
    (now?.uses ?? noUses).replace(before?.uses ?? noUses, id);
    if (now === undefined) translated.delete(id);
    else translated.set(id, now);
    return before?.bundle;
  }

  function isInNamespace(id: string, policy: PolicyRecord | undefined, isIn: boolean): void {
    if (policy?.tier !== "NetworkPolicy") return;
    const namespace = policy.key.slice(0, policy.key.indexOf("/"));
    const policies = namespacePolicies.get(namespace) ?? new Set();
    if (isIn) policies.add(id);
    else policies.delete(id);
    if (policies.size > 0) namespacePolicies.set(namespace, policies);
    else namespacePolicies.delete(namespace);
  }

  function shortcomingsOf(id: string): readonly Problem[] {
    const policy = records.get(id);
    if (policy === undefined) return [];
    const without = directions.filter((direction) => ranks.overflow(policy, direction) !== undefined);
    const message = `There are more rules in its tier than priorities of ACLs; all ${without.join(" and ")} of whom it selects is dropped`;
    const ofRanks: Problem[] = without.length === 0 ? [] : [{ code: "POLICY_PRIORITIES_EXHAUSTED", message }];
    return [...ofRanks, ...(translated.get(id)?.problems ?? [])];
  }

  function tell(id: string): void {
    const policy = records.get(id);
    if (policy === undefined) return;
    const { kind, key, uid } = policy;
    problems.set({ kind, key, uid }, shortcomingsOf(id));
  }

  /** Marks those that are ranked otherwise, and those that have to say again what a Pass leaves to them. */
  function rerank(): boolean {
    if (!ranksAreOld) return false;
    ranksAreOld = false;
    const before = ranks;
    ranks = rankPolicies([...ranked.values()], layout);
    const changes = changedRanks(before, ranks);
    for (const id of changes.policies) dirty.add(id);
    if (changes.passes.length === 0) return changes.policies.length > 0 || before.texts.size === 0;
    for (const [id, { tier, rules, isolates }] of records) {
      if (tier === "Admin") continue;
      const directions = [...isolates, ...rules.map(({ direction }) => direction)];
      if (directions.some((direction) => changes.passes.includes(direction))) dirty.add(id);
    }
    return true;
  }

  function relog(): void {
    const touched = logging.flush();
    if (touched.size === 0) return;
    for (const id of ranked.keys()) dirty.add(id);
    for (const namespace of touched) for (const id of namespacePolicies.get(namespace) ?? []) dirty.add(id);
  }

  return {
    records,
    apply(id, policy) {
      isInNamespace(id, records.get(id), false);
      isInNamespace(id, policy, true);
      const former = records.get(id);
      if (former !== undefined && policy === undefined) problems.forget(former.kind, former.key);
      if (policy === undefined) records.delete(id);
      else records.set(id, policy);
      if (policy === undefined || policy.tier === "NetworkPolicy") {
        if (ranked.delete(id)) ranksAreOld = true;
      } else {
        ranked.set(id, policy);
        ranksAreOld = true;
      }
      dirty.add(id);
    },
    applyNamespace: logging.apply,
    applyTenant(name, peers) {
      const sees = peers && [...new Set([name, ...peers])].sort();
      if (tenants.get(name)?.join() === sees?.join()) return;
      const had = tenants.size > 0;
      if (sees === undefined) tenants.delete(name);
      else tenants.set(name, sees);
      // Few: tenants come seldom, and which policies are about a tenant's pods is asked for only once there are any.
      const isFirstOrLast = tenants.size > 0 !== had;
      for (const id of isFirstOrLast ? records.keys() : askersOf(name)) dirty.add(id);
    },
    flush() {
      const added: BundleChange[] = [];
      const changed: BundleChange[] = [];
      const gone: BundleChange[] = [];
      const before = isFirst ? [...new Set(restored())].filter((id) => !records.has(id)) : [];
      const isRestart = isFirst;
      isFirst = false;
      for (const id of before) gone.push({ owner: ownerOf(id), bundle: undefined });
      // After a start all are here, and NetworkPolicies among themselves need no order; but of a policy that was ranked nobody
      // knows what others said for its sake.
      const ranksWereOld = ranksAreOld;
      const isRanked = rerank() || before.some((id) => !id.startsWith("NetworkPolicy/"));
      const together = isRanked || !isRestart;
      relog();
      for (const id of podSets.takeRenumbered()) dirty.add(id);
      for (const id of dirty) {
        const policy = records.get(id);
        const now = policy && translate(policy);
        const known = translated.get(id);
        const former = replace(id, now);
        const bundle = now?.bundle;
        const owner = policy === undefined ? ownerOf(id) : policyOwner(policy);
        if (bundle !== undefined) (known === undefined ? added : changed).push({ owner, bundle });
        else if (former !== undefined) gone.push({ owner, bundle });
      }
      for (const id of ranksWereOld ? new Set([...dirty, ...ranked.keys()]) : dirty) tell(id);
      dirty.clear();
      if (!together) return { changed: [...added, ...changed], gone };
      return { changed: [...added, ...changed, ...gone].map((change) => ({ ...change, together })), gone: [] };
    },
    shortcomingsOf,
    bundleOf: ({ kind, key }) => translated.get(`${kind}/${key}`)?.bundle,
  };
}

/** Of a `policyId`. */
function ownerOf(id: string): Owner {
  const slash = id.indexOf("/");
  return { kind: id.slice(0, slash), key: id.slice(slash + 1) };
}
