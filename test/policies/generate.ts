import fc from "fast-check";
import { adminPolicy, baselinePolicy, clusterPolicy, networkPolicy } from "./cases/case.ts";
import {
  type AdminPeer,
  type AdminPort,
  type AdminRule,
  type AdminSubject,
  type ClusterProtocol,
  type ClusterRule,
  keyOf,
  type LabelSelector,
  type NamespacedPods,
  type NetworkPolicy,
  type NetworkPolicyPeer,
  type NetworkPolicyPort,
  type Policy,
} from "./objects.ts";
import { type State, sceneNamespaces, scenePods } from "./scene.ts";

/** Policies and labels as chance has it: few names and values, so that they meet; now and then a mistake. */

type Labels = Readonly<Record<string, string>>;

const podValues: Readonly<Record<string, readonly string[]>> = {
  app: ["web", "db", "api", "bot"],
  tier: ["front", "back"],
};
const namespaceValues: Readonly<Record<string, readonly string[]>> = {
  team: ["red", "blue"],
  env: ["prod", "test"],
};
const namespaceNames = Object.keys(sceneNamespaces);

function labelsFrom(values: typeof podValues): fc.Arbitrary<Labels> {
  const entries = Object.entries(values).map(([key, of]) =>
    fc.option(
      fc.constantFrom(...of).map((value) => [key, value] as const),
      { nil: undefined, freq: 4 },
    ),
  );
  return fc.tuple(...entries).map((found) => Object.fromEntries(found.flatMap((entry) => (entry ? [entry] : []))));
}

function selectorFrom(values: typeof podValues): fc.Arbitrary<LabelSelector> {
  const key = fc.constantFrom(...Object.keys(values));
  const pair = key.chain((name) => fc.constantFrom(...(values[name] ?? [])).map((value) => ({ [name]: value })));
  const expression = key.chain((name) =>
    fc.oneof(
      fc.record({
        key: fc.constant(name),
        operator: fc.constantFrom("In", "NotIn"),
        values: fc.subarray([...(values[name] ?? [])], { minLength: 1 }),
      }),
      fc.record({ key: fc.constant(name), operator: fc.constantFrom("Exists", "DoesNotExist") }),
    ),
  );
  return fc.oneof(
    { weight: 6, arbitrary: fc.constant<LabelSelector>({}) },
    { weight: 8, arbitrary: pair.map((matchLabels): LabelSelector => ({ matchLabels })) },
    {
      weight: 4,
      arbitrary: fc
        .array(expression, { minLength: 1, maxLength: 2 })
        .map((matchExpressions): LabelSelector => ({ matchExpressions })),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(pair, expression)
        .map(([matchLabels, one]): LabelSelector => ({ matchLabels, matchExpressions: [one] })),
    },
  );
}

const podSelector = selectorFrom(podValues);
const namespaceSelector = fc.oneof(
  { weight: 5, arbitrary: selectorFrom(namespaceValues) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(...namespaceNames)
      .map((name): LabelSelector => ({ matchLabels: { "kubernetes.io/metadata.name": name } })),
  },
);

/** Most of the time what is right. */
function seldom<T>(mistake: fc.Arbitrary<T>, right: fc.Arbitrary<T>, weight = 30): fc.Arbitrary<T> {
  return fc.oneof({ weight, arbitrary: right }, { weight: 1, arbitrary: mistake });
}

const badSelector = fc.constantFrom<LabelSelector>(
  { matchExpressions: [{ key: "app", operator: "Like", values: ["web"] }] },
  { matchExpressions: [{ key: "app", operator: "In", values: [] }] },
  { matchExpressions: [{ key: "app", operator: "Exists", values: ["web"] }] },
  { matchLabels: { "not a key": "web" } },
);

const ipv4Blocks = ["0.0.0.0/0", "10.244.0.0/16", "10.244.0.0/24", "10.244.1.0/24", "172.18.0.0/16", "172.18.0.12/32"];
const ipv6Blocks = ["::/0", "fd00:10:244::/48", "fd00:10:244:1::/64", "fd00:172:18::/64", "fd00:172:18::b/128"];
const ipv4Parts = [
  "10.244.0.0/16",
  "10.244.1.0/24",
  "10.244.0.0/29",
  "10.244.0.4/30",
  "10.244.1.4/32",
  "172.18.0.11/32",
];
const ipv6Parts = ["fd00:10:244:1::/64", "fd00:10:244::/124", "fd00:10:244:1::4/126", "fd00:172:18::c/128"];

const ipBlock: fc.Arbitrary<NetworkPolicyPeer> = fc
  .constantFrom({ blocks: ipv4Blocks, parts: ipv4Parts }, { blocks: ipv6Blocks, parts: ipv6Parts })
  .chain(({ blocks, parts }) =>
    fc.record({
      cidr: fc.constantFrom(...blocks, ...parts),
      except: fc.oneof(fc.constant(undefined), fc.subarray(parts, { maxLength: 3 })),
    }),
  )
  .map(({ cidr, except }) => ({ ipBlock: { cidr, ...(except === undefined ? {} : { except }) } }));

const networkPolicyPeer: fc.Arbitrary<NetworkPolicyPeer> = seldom(
  fc.oneof(
    fc.constantFrom<NetworkPolicyPeer>(
      {},
      { ipBlock: { cidr: "10.244.0.0/33" } },
      { ipBlock: { cidr: "10.244.0.0/16", except: ["nowhere"] } },
      { podSelector: {}, ipBlock: { cidr: "0.0.0.0/0" } },
    ),
    badSelector.map((bad): NetworkPolicyPeer => ({ namespaceSelector: bad })),
  ),
  fc.oneof(
    { weight: 3, arbitrary: podSelector.map((one): NetworkPolicyPeer => ({ podSelector: one })) },
    { weight: 3, arbitrary: namespaceSelector.map((one): NetworkPolicyPeer => ({ namespaceSelector: one })) },
    { weight: 3, arbitrary: fc.record({ podSelector, namespaceSelector }) },
    { weight: 3, arbitrary: ipBlock },
  ),
);

const protocolName = fc.constantFrom("TCP", "UDP", "SCTP");
const number = fc.constantFrom(8080, 8081, 9090, 8180);
const range = fc.constantFrom([8080, 8081], [8081, 9090], [8000, 8080], [1, 65_535], [9000, 9999]);
/** Names with numbers in the protocol that they have. */
const name = fc.constantFrom(["TCP", "http"], ["UDP", "data"], ["SCTP", "signal"], ["TCP", "both"], ["UDP", "both"]);

const networkPolicyPort: fc.Arbitrary<NetworkPolicyPort> = seldom(
  fc.constantFrom<NetworkPolicyPort>(
    { port: 8081, endPort: 8080 },
    { port: "http", endPort: 8080 },
    { endPort: 8080 },
    { port: 0 },
    { port: 70_000 },
    { protocol: "ICMP" },
    { port: "Not A Name" },
  ),
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ protocol: protocolName, port: number }) },
    { weight: 2, arbitrary: number.map((port): NetworkPolicyPort => ({ port })) },
    {
      weight: 2,
      arbitrary: fc
        .tuple(protocolName, range)
        .map(([protocol, [port = 1, endPort = 1]]): NetworkPolicyPort => ({ protocol, port, endPort })),
    },
    { weight: 3, arbitrary: name.map(([protocol = "", port = ""]): NetworkPolicyPort => ({ protocol, port })) },
    { weight: 1, arbitrary: protocolName.map((protocol): NetworkPolicyPort => ({ protocol })) },
  ),
);

const maybe = <T>(arbitrary: fc.Arbitrary<T>, freq = 3): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined, freq });

function given<T extends object>(record: T): { readonly [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as never;
}

const networkPolicyRule = fc.record({
  peers: maybe(fc.array(networkPolicyPeer, { maxLength: 3 }), 4),
  ports: maybe(fc.array(networkPolicyPort, { maxLength: 2 }), 2),
});

const networkPolicySpec: fc.Arbitrary<NetworkPolicy["spec"]> = fc
  .record({
    podSelector: seldom(badSelector, podSelector, 60),
    policyTypes: seldom<readonly string[] | undefined>(
      fc.constantFrom(["Sideways"], ["Ingress", "Sideways"]),
      fc.constantFrom(undefined, [], ["Ingress"], ["Egress"], ["Ingress", "Egress"]),
      60,
    ),
    ingress: maybe(fc.array(networkPolicyRule, { maxLength: 3 })),
    egress: maybe(fc.array(networkPolicyRule, { maxLength: 3 })),
  })
  .map(({ ingress, egress, ...rest }) =>
    given({
      ...rest,
      ingress: ingress?.map(({ peers, ports }) => given({ from: peers, ports })),
      egress: egress?.map(({ peers, ports }) => given({ to: peers, ports })),
    }),
  );

const namespacedPods: fc.Arbitrary<NamespacedPods> = fc.record({ namespaceSelector, podSelector });
const subject: fc.Arbitrary<AdminSubject> = seldom<AdminSubject>(
  fc.constantFrom({}, { namespaces: {}, pods: { namespaceSelector: {}, podSelector: {} } }),
  fc.oneof(
    namespaceSelector.map((namespaces): AdminSubject => ({ namespaces })),
    namespacedPods.map((pods): AdminSubject => ({ pods })),
  ),
  60,
);

const podPeer = fc.oneof(
  namespaceSelector.map((namespaces): AdminPeer => ({ namespaces })),
  namespacedPods.map((pods): AdminPeer => ({ pods })),
);
const nodeSelector = fc.constantFrom<LabelSelector>(
  {},
  { matchLabels: { rack: "a" } },
  { matchExpressions: [{ key: "rack", operator: "NotIn", values: ["a"] }] },
);
const networks = fc
  .subarray([...ipv4Blocks, ...ipv6Blocks, ...ipv4Parts, ...ipv6Parts], { minLength: 1, maxLength: 4 })
  .map((all): AdminPeer => ({ networks: [...new Set(all)] }));
const badPeer = fc.oneof(
  fc.constantFrom<AdminPeer>({}, { networks: ["10.0.0.0/99"] }, { namespaces: {}, nodes: {} }),
  badSelector.map((namespaces): AdminPeer => ({ namespaces })),
);
const ingressPeer = seldom(badPeer, podPeer, 40);
const egressPeer = seldom(
  badPeer,
  fc.oneof(
    { weight: 6, arbitrary: podPeer },
    { weight: 2, arbitrary: networks },
    { weight: 2, arbitrary: nodeSelector.map((nodes): AdminPeer => ({ nodes })) },
  ),
  40,
);
/** Only in what allows; nobody has asked for them, so they are nobody. */
const domains = fc.constant<AdminPeer>({ domainNames: ["example.com", "*.example.org"] });

const adminPort: fc.Arbitrary<AdminPort> = seldom(
  fc.constantFrom<AdminPort>({}, { portNumber: { port: 0 } }, { portRange: { start: 9, end: 8 } }),
  fc.oneof(
    fc.record({ protocol: protocolName, port: number }).map((portNumber): AdminPort => ({ portNumber })),
    fc
      .tuple(protocolName, range)
      .map(([protocol, [start = 1, end = 1]]): AdminPort => ({ portRange: { protocol, start, end } })),
    name.map(([, namedPort = ""]): AdminPort => ({ namedPort })),
  ),
  40,
);

const clusterProtocol: fc.Arbitrary<ClusterProtocol> = seldom(
  fc.constantFrom<ClusterProtocol>({}, { tcp: { destinationPort: {} } }),
  fc.oneof(
    fc
      .tuple(fc.constantFrom("tcp", "udp", "sctp"), number)
      .map(([protocol, of]): ClusterProtocol => ({ [protocol]: { destinationPort: { number: of } } })),
    fc.tuple(fc.constantFrom("tcp", "udp", "sctp"), range).map(
      ([protocol, [start = 1, end = 1]]): ClusterProtocol => ({
        [protocol]: { destinationPort: { range: { start, end } } },
      }),
    ),
    name.map(([, destinationNamedPort = ""]): ClusterProtocol => ({ destinationNamedPort })),
  ),
  40,
);

/** A name of a port means nothing but with pods, and what forbids must not be about nothing: so those aren't mixed here. */
function withoutNamesOnAddresses<R extends AdminRule | ClusterRule>(rule: R): R {
  const hasAddresses = rule.to?.some((peer) => "networks" in peer || "nodes" in peer || "domainNames" in peer) === true;
  const isNamed =
    ("ports" in rule && rule.ports?.some((port) => "namedPort" in port) === true) ||
    ("protocols" in rule && rule.protocols?.some((port) => "destinationNamedPort" in port) === true);
  if (!hasAddresses || !isNamed || rule.action === "Allow" || rule.action === "Accept") return rule;
  return { ...rule, to: rule.to?.filter((peer) => "namespaces" in peer || "pods" in peer) };
}

function rulesOf<R extends AdminRule | ClusterRule, P>(
  actions: readonly string[],
  allow: string,
  ports: fc.Arbitrary<P>,
  field: "ports" | "protocols",
): fc.Arbitrary<{ readonly ingress?: readonly R[]; readonly egress?: readonly R[] }> {
  const rule = (side: "from" | "to", peer: fc.Arbitrary<AdminPeer>) =>
    seldom(fc.constant("Nonsense"), fc.constantFrom(...actions), 60).chain((action) =>
      fc
        .record({
          peers: fc.array(side === "to" && action === allow ? seldom(domains, peer, 15) : peer, {
            minLength: 1,
            maxLength: 2,
          }),
          ports: maybe(fc.array(ports, { minLength: 1, maxLength: 2 }), 2),
        })
        .map(({ peers, ports: of }) =>
          withoutNamesOnAddresses(given({ action, [side]: peers, [field]: of }) as unknown as R),
        ),
    );
  const lists = (side: "from" | "to", peer: fc.Arbitrary<AdminPeer>) =>
    fc.oneof(
      { weight: 12, arbitrary: fc.array(rule(side, peer), { minLength: 1, maxLength: 4 }) },
      // More than one priority has room for.
      { weight: 1, arbitrary: fc.array(rule(side, peer), { minLength: 12, maxLength: 14 }) },
    );
  return fc
    .record({ ingress: maybe(lists("from", ingressPeer)), egress: maybe(lists("to", egressPeer)) })
    .map((directions) => given(directions));
}

const priority = seldom(fc.constant(1001), fc.constantFrom(0, 1, 2, 5, 5, 500, 999, 1000), 60);

type SetPolicy = fc.Arbitrary<Policy>;

const networkPolicies: SetPolicy = fc
  .tuple(fc.constantFrom(...namespaceNames), fc.constantFrom("one", "two", "three"), networkPolicySpec)
  .map(([namespace, of, spec]) => networkPolicy(`${namespace}/${of}`, spec));
const adminPolicies: SetPolicy = fc
  .tuple(
    fc.constantFrom("able", "baker", "charlie"),
    priority,
    subject,
    rulesOf<AdminRule, AdminPort>(["Allow", "Deny", "Pass"], "Allow", adminPort, "ports"),
  )
  .map((args) => adminPolicy(...args));
const baselinePolicies: SetPolicy = fc
  .tuple(subject, rulesOf<AdminRule, AdminPort>(["Allow", "Deny"], "none", adminPort, "ports"))
  .map((args) => baselinePolicy(...args));
const clusterPolicies: SetPolicy = fc
  .tuple(
    fc.constantFrom("dog", "easy", "fox"),
    seldom(fc.constant("Middle"), fc.constantFrom("Admin", "Baseline"), 60),
    priority,
    subject,
    rulesOf<ClusterRule, ClusterProtocol>(["Accept", "Deny", "Pass"], "Accept", clusterProtocol, "protocols"),
  )
  .map((args) => clusterPolicy(...args));

/** Something that changes a state. */
export type Step =
  | { readonly kind: "policy"; readonly policy: Policy }
  /** The policy of this place among those there are, counted round. */
  | { readonly kind: "remove"; readonly place: number }
  | { readonly kind: "pod"; readonly key: string; readonly labels: Labels }
  | { readonly kind: "namespace"; readonly name: string; readonly labels: Labels }
  /** A pod goes, or comes again; or ends. */
  | { readonly kind: "presence"; readonly key: string; readonly is: "present" | "absent" | "finished" }
  | { readonly kind: "log"; readonly name: string; readonly of: "deny" | "allow" | "all" | undefined };

const ownPods = scenePods.filter(({ hostNetwork }) => hostNetwork !== true).map(({ key }) => key);
const policy = (weight: number, arbitrary: SetPolicy) => ({
  weight,
  arbitrary: arbitrary.map((one): Step => ({ kind: "policy", policy: one })),
});

export const anyStep: fc.Arbitrary<Step> = fc.oneof(
  policy(8, networkPolicies),
  policy(5, adminPolicies),
  policy(2, baselinePolicies),
  policy(5, clusterPolicies),
  { weight: 7, arbitrary: fc.nat({ max: 30 }).map((place): Step => ({ kind: "remove", place })) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.constantFrom(...ownPods), labelsFrom(podValues))
      .map(([key, labels]): Step => ({ kind: "pod", key, labels })),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom(...namespaceNames), labelsFrom(namespaceValues))
      .map(([of, labels]): Step => ({ kind: "namespace", name: of, labels })),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom(...namespaceNames), fc.constantFrom("deny", "allow", "all", undefined))
      .map(([of, what]): Step => ({ kind: "log", name: of, of: what })),
  },
);

/** Pods come and go as well. */
export const anyStepWithPods: fc.Arbitrary<Step> = fc.oneof(
  { weight: 9, arbitrary: anyStep },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom(...ownPods), fc.constantFrom("present", "present", "absent", "finished"))
      .map(([key, is]): Step => ({ kind: "presence", key, is })),
  },
);

const idOf = (one: Policy) => `${one.kind}/${keyOf(one)}`;

export function afterStep(state: State, step: Step): State {
  switch (step.kind) {
    case "policy":
      return {
        ...state,
        policies: [...state.policies.filter((one) => idOf(one) !== idOf(step.policy)), step.policy],
      };
    case "remove": {
      const gone = step.place % Math.max(1, state.policies.length);
      return { ...state, policies: state.policies.filter((_, place) => place !== gone) };
    }
    case "pod":
      return { ...state, podLabels: { ...state.podLabels, [step.key]: step.labels } };
    case "namespace":
      return { ...state, namespaceLabels: { ...state.namespaceLabels, [step.name]: step.labels } };
    case "presence": {
      const without = (keys: readonly string[] = []) => keys.filter((key) => key !== step.key);
      return {
        ...state,
        absent: [...without(state.absent), ...(step.is === "absent" ? [step.key] : [])],
        finished: [...without(state.finished), ...(step.is === "finished" ? [step.key] : [])],
      };
    }
    case "log": {
      const { [step.name]: _, ...others } = state.logged ?? {};
      return { ...state, logged: step.of === undefined ? others : { ...others, [step.name]: step.of } };
    }
  }
}

/** States one after another, of which each grew out of the one before by one to three steps; the same for the same seed. */
export function statesFrom(seed: number, count: number, first: State = { policies: [] }): readonly State[] {
  const turns = fc.sample(fc.array(anyStep, { minLength: 1, maxLength: 3 }), { seed, numRuns: count });
  let state = first;
  return turns.map((steps) => {
    state = steps.reduce(afterStep, state);
    return state;
  });
}
