import type { PolicyModel } from "../graph/policy-model.ts";
import { type Address, bitsOf, type Cidr, contains, type Family, formatAddress } from "../ipam/address.ts";
import type { Labels } from "../state/labels.ts";
import type { PolicyRecord } from "../state/policy.ts";
import type { Requirement } from "../state/selector.ts";
import { ExplainError } from "./explain-error.ts";
import { labelsText } from "./labels-text.ts";
import type { Pace } from "./pace.ts";
import { type Party, type PodParty, placed } from "./party.ts";
import { createParties, isSubject } from "./resolve-party.ts";
import { namedPortsOf, parseCidr } from "./rule-match.ts";

/** Ends of packets that no policy can tell apart, with one of them to ask for all. */
export interface PlanClass {
  /** Place in the list of all classes. */
  readonly id: number;
  readonly kind: "pods" | "nodes" | "addresses";
  /** Of pods. */
  readonly namespace: string | undefined;
  /** In words, without the namespace. */
  readonly text: string;
  /** Keys of the pods, or names of the nodes. */
  readonly members: readonly string[];
  /** One of them in each family, when it sends and when it receives. */
  readonly sender: Readonly<Partial<Record<Family, Party>>>;
  readonly receiver: Readonly<Partial<Record<Family, Party>>>;
}

/** More networks than this are not told apart outside of the cluster. */
const maxNetworks = 256;

const families = [4, 6] as const satisfies readonly Family[];

/** @throws ExplainError TOO_MUCH when the time is over */
async function goOn(pace: Pace): Promise<void> {
  await pace.rest();
  if (!pace.isOver()) return;
  throw new ExplainError(
    "TOO_MUCH",
    "the time there is was over before everybody was told apart by the policies' networks",
  );
}

function requirementsOf(policy: PolicyRecord): readonly Requirement[] {
  const selectors = policy.rules
    .flatMap(({ peers }) => (peers === "any" ? [] : peers))
    .flatMap((peer) => {
      if (peer.kind === "pods") return [...peer.selector.podRequirements];
      return peer.kind === "nodes" ? [...peer.requirements] : [];
    });
  return [...(policy.subject?.podRequirements ?? []), ...selectors];
}

/** The keys of labels that some policy looks at. */
async function keysOf(policies: Iterable<PolicyRecord>, pace: Pace): Promise<readonly string[]> {
  const keys = new Set<string>();
  for (const policy of policies) {
    if (pace.isDue()) await goOn(pace);
    for (const { key } of requirementsOf(policy)) keys.add(key);
    for (const rule of policy.rules) for (const key of namedPortsOf(rule)) keys.add(key);
  }
  return [...keys].sort();
}

async function networksOf(policies: Iterable<PolicyRecord>, pace: Pace): Promise<readonly Cidr[]> {
  const cidrs = new Map<string, Cidr>();
  for (const { rules } of policies) {
    if (pace.isDue()) await goOn(pace);
    for (const { peers } of rules) {
      if (peers === "any") continue;
      for (const peer of peers) {
        if (peer.kind !== "networks") continue;
        for (const text of [peer.block.cidr, ...peer.block.except]) {
          const cidr = cidrs.has(text) ? undefined : parseCidr(text);
          if (cidr !== undefined) cidrs.set(text, cidr);
        }
      }
    }
  }
  return [...cidrs.values()];
}

function projection(labels: Labels, keys: readonly string[]): string {
  let text = "";
  for (const key of keys) if (Object.hasOwn(labels, key)) text += `${key}=${labels[key]},`;
  return text;
}

function lastOf({ family, base, prefixLength }: Cidr): bigint {
  return base + (1n << BigInt(bitsOf(family) - prefixLength)) - 1n;
}

/** Those networks that hold some of the addresses but not all: the others tell no two of them apart. */
function telling(networks: readonly Cidr[], addresses: readonly Address[]): readonly Cidr[] {
  const bounds = new Map<Family, { least: bigint; most: bigint }>();
  for (const { family, value } of addresses) {
    const known = bounds.get(family);
    if (known === undefined) bounds.set(family, { least: value, most: value });
    else if (value < known.least) known.least = value;
    else if (value > known.most) known.most = value;
  }
  return networks.filter((cidr) => {
    const bound = bounds.get(cidr.family);
    if (bound === undefined) return false;
    const last = lastOf(cidr);
    const isApart = last < bound.least || cidr.base > bound.most;
    return !isApart && !(cidr.base <= bound.least && bound.most <= last);
  });
}

function membership(networks: readonly Cidr[], addresses: readonly Address[]): string {
  return networks.map((cidr) => (addresses.some((address) => contains(cidr, address)) ? "1" : "0")).join("");
}

function byFamily(parties: readonly Party[]): Partial<Record<Family, Party>> {
  return Object.fromEntries(
    families.flatMap((family) => {
      const party = parties.find((candidate) => candidate.family === family);
      return party === undefined ? [] : [[family, party]];
    }),
  );
}

type Draft = Omit<PlanClass, "id">;

async function podClasses(
  model: PolicyModel,
  keys: readonly string[],
  networks: readonly Cidr[],
  pace: Pace,
): Promise<Draft[]> {
  const parties = createParties(model);
  const groups = new Map<string, { members: string[]; parties: readonly Party[] }>();
  const pods = [...model.pods.values()].filter((pod) => isSubject(model, pod));
  const placesOf = new Map(pods.map(({ key }) => [key, model.addressesOf(key).map((text) => placed(text).parsed)]));
  const told = telling(networks, [...placesOf.values()].flat());
  const projections = new Map<Labels, string>();
  for (const { key, namespace, selectionLabels } of pods) {
    if (pace.isDue()) await goOn(pace);
    let text = projections.get(selectionLabels);
    if (text === undefined) {
      text = projection(selectionLabels, keys);
      projections.set(selectionLabels, text);
    }
    const places = placesOf.get(key) ?? [];
    const members = told.length === 0 ? "" : membership(told, places);
    const signature = `${namespace} ${model.tenancy.tenantOf(key)} ${text} ${members} ${places.map(({ family }) => family).join()}`;
    const group = groups.get(signature);
    if (group === undefined) groups.set(signature, { members: [key], parties: parties.pod(key) });
    else group.members.push(key);
  }
  return [...groups.values()].map(({ members, parties: own }) => {
    const pod = own[0] as PodParty;
    const labels = sharedLabels(members.map((key) => model.pods.get(key)?.labels ?? {}));
    const places = byFamily(own);
    return {
      kind: "pods",
      namespace: pod.namespace,
      text: labels === "" ? (members.length === 1 ? (members[0] ?? "") : "pods without labels") : labels,
      members,
      sender: places,
      receiver: places,
    };
  });
}

/** The labels that all have, in words. */
function sharedLabels(all: readonly Labels[]): string {
  const [first, ...others] = [...new Set(all)];
  if (first === undefined) return "";
  const shared = Object.entries(first).filter(([key, value]) => others.every((labels) => labels[key] === value));
  return labelsText(Object.fromEntries(shared));
}

async function nodeClasses(
  model: PolicyModel,
  keys: readonly string[],
  networks: readonly Cidr[],
  pace: Pace,
): Promise<Draft[]> {
  const parties = createParties(model);
  const nodes = [...model.nodes.values()].filter(
    ({ key, internalAddresses }) => internalAddresses.length > 0 && model.managementAddresses(key).length > 0,
  );
  const places = new Map(
    nodes.map(({ key, internalAddresses }) => [
      key,
      [...internalAddresses, ...model.managementAddresses(key)].map((text) => placed(text).parsed),
    ]),
  );
  const told = telling(networks, [...places.values()].flat());
  const groups = new Map<string, string[]>();
  for (const { key, labels } of nodes) {
    if (pace.isDue()) await goOn(pace);
    const signature = `${projection(labels, keys)} ${membership(told, places.get(key) ?? [])}`;
    const members = groups.get(signature);
    if (members === undefined) groups.set(signature, [key]);
    else members.push(key);
  }
  return [...groups.values()].map((members) => ({
    kind: "nodes",
    namespace: undefined,
    text: members.length > 3 ? `${members.length} nodes (${members[0]}, …)` : `node ${members.join(", ")}`,
    members,
    sender: byFamily(parties.nodeSending(members[0] ?? "")),
    receiver: byFamily(parties.nodeReceiving(members[0] ?? "")),
  }));
}

const everything = ["0.0.0.0/0", "::/0"].flatMap((text) => parseCidr(text) ?? []);

/** An address in a network, but in none of those within it, that is nobody's in the cluster. */
function stranger(network: Cidr, within: readonly Cidr[], at: (address: string) => Party): Party | undefined {
  const last = lastOf(network);
  const { family } = network;
  const candidates = [network.base + 1n, network.base, ...within.map((inner) => lastOf(inner) + 1n)];
  for (const start of candidates) {
    for (let value = start; value < start + 16n && value <= last; value++) {
      const address = { family, value };
      if (!contains(network, address) || within.some((inner) => contains(inner, address))) continue;
      const party = at(formatAddress(address));
      if (party.kind === "address") return party;
    }
  }
  return undefined;
}

function addressClasses(model: PolicyModel, networks: readonly Cidr[]): Draft[] {
  const { at } = createParties(model);
  const all = new Map([...everything, ...networks].map((cidr) => [cidr.text, cidr]));
  return [...all.values()].flatMap((network) => {
    const within = [...all.values()].filter(
      (inner) =>
        inner.prefixLength > network.prefixLength && contains(network, { family: inner.family, value: inner.base }),
    );
    const party = stranger(network, within, at);
    if (party === undefined) return [];
    const isRest = network.prefixLength === 0;
    const besides =
      within.length > 0 && !isRest
        ? ` without ${within
            .map(({ text }) => text)
            .slice(0, 3)
            .join(", ")}`
        : "";
    const family = `IPv${network.family}`;
    const rest =
      within.length > 0 ? `other ${family} addresses outside the cluster` : `${family} addresses outside the cluster`;
    const places = byFamily([party]);
    const text = isRest ? rest : `${network.text}${besides}`;
    return [{ kind: "addresses" as const, namespace: undefined, text, members: [], sender: places, receiver: places }];
  });
}

function domainClasses(model: PolicyModel, policies: Iterable<PolicyRecord>): Draft[] {
  const { at } = createParties(model);
  const peers = [...policies].flatMap(({ rules }) => rules.flatMap((rule) => (rule.peers === "any" ? [] : rule.peers)));
  const names = new Set(peers.flatMap((peer) => (peer.kind === "domains" ? peer.names : [])));
  return [...names].flatMap((name) => {
    const places = byFamily(model.domainAddresses([name]).map((address) => at(address)));
    if (Object.keys(places).length === 0) return [];
    return [
      { kind: "addresses" as const, namespace: undefined, text: name, members: [], sender: places, receiver: places },
    ];
  });
}

/** The model as it is now, for a computation that lets others change it meanwhile. */
function snapshotOf(model: PolicyModel): PolicyModel {
  const pods = new Map(model.pods);
  const nodes = new Map(model.nodes);
  const addresses = new Map([...pods.keys()].map((key) => [key, model.addressesOf(key)]));
  const management = new Map([...nodes.keys()].map((name) => [name, model.managementAddresses(name)]));
  return {
    ...model,
    pods,
    nodes,
    namespaces: new Map(model.namespaces),
    addressesOf: (pod) => addresses.get(pod) ?? [],
    managementAddresses: (node) => management.get(node) ?? [],
  };
}

/**
 * Everybody who can send or receive, in classes: those who were there when it was asked.
 * @param policies those before and after the change
 * @param concerned of them those that select pods whose verdicts may change: only their networks are told apart outside
 * @throws ExplainError TOO_MUCH when the pace's time is over
 */
export async function planClasses(
  model: PolicyModel,
  policies: Iterable<PolicyRecord>,
  concerned: Iterable<PolicyRecord>,
  pace: Pace,
): Promise<readonly PlanClass[]> {
  const known = snapshotOf(model);
  const all = [...new Set(policies)];
  const ofConcerned = [...concerned];
  const keys = await keysOf(all, pace);
  const networks = await networksOf(all, pace);
  const outside = (await networksOf(ofConcerned, pace)).slice(0, maxNetworks);
  return [
    ...(await podClasses(known, keys, networks, pace)),
    ...(await nodeClasses(known, keys, networks, pace)),
    ...domainClasses(known, ofConcerned),
    ...addressClasses(known, outside),
  ].map((draft, id) => ({ id, ...draft }));
}
