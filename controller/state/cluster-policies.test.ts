import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { projectAdminNetworkPolicy, projectBaselineAdminNetworkPolicy } from "./admin-network-policy.ts";
import { projectClusterNetworkPolicy } from "./cluster-network-policy.ts";
import { projectNetworkPolicy } from "./network-policy.ts";
import type { PolicyRecord } from "./policy.ts";

const everybody = { namespaces: {} };
const subject = everybody;
const metadata = { name: "default", uid: "u", generation: 2, creationTimestamp: "2026-01-01T00:00:00Z" };

const kinds = {
  AdminNetworkPolicy: {
    project: (spec: object) => projectAdminNetworkPolicy({ metadata, spec: { priority: 10, subject, ...spec } }),
    allow: "Allow",
    portsField: "ports",
    max: 100,
    maxRules: 100,
  },
  BaselineAdminNetworkPolicy: {
    project: (spec: object) => projectBaselineAdminNetworkPolicy({ metadata, spec: { subject, ...spec } }),
    allow: "Allow",
    portsField: "ports",
    max: 100,
    maxRules: 100,
  },
  ClusterNetworkPolicy: {
    project: (spec: object) =>
      projectClusterNetworkPolicy({ metadata, spec: { tier: "Admin", priority: 10, subject, ...spec } }),
    allow: "Accept",
    portsField: "protocols",
    max: 25,
    maxRules: 25,
  },
} as const;
const allKinds = Object.entries(kinds).map(([kind, each]) => ({ kind, ...each }));
const { AdminNetworkPolicy, BaselineAdminNetworkPolicy, ClusterNetworkPolicy } = kinds;

const codes = ({ problems }: PolicyRecord) => problems.map(({ code }) => code);
const deniesEverything = { action: "deny", peers: "any", ports: "any" };
const allowsNothing = { action: "allow", peers: [], ports: [] };

describe.each(allKinds)("$kind", ({ kind, project, allow, portsField, max, maxRules }) => {
  const ingress = (rule: object) => project({ ingress: [rule] });
  const egress = (rule: object) => project({ egress: [rule] });

  it("keeps what it is", () => {
    expect(project({})).toMatchObject({
      kind,
      key: "default",
      uid: "u",
      generation: 2,
      createdAt: Date.UTC(2026, 0, 1),
      isolates: [],
      rules: [],
      problems: [],
      conditions: "[]",
    });
  });

  it("selects namespaces, or pods by both", () => {
    expect(project({}).subject?.text).toBe("{}/{}");
    const byBoth = { namespaceSelector: { matchLabels: { n: "1" } }, podSelector: { matchLabels: { p: "2" } } };
    expect(project({ subject: { pods: byBoth } }).subject?.text).toBe("{n=1}/{p=2}");
    expect(project({ subject: { namespaces: { matchLabels: { n: "1" } } } }).subject?.text).toBe("{n=1}/{}");
  });

  it.each([
    [undefined],
    [{}],
    [{ namespaces: {}, pods: { podSelector: {} } }],
    [{ serviceAccounts: {} }],
    [{ namespaces: { matchLabels: { a: 1 } } }],
    [{ pods: { namespaceSelector: {} } }],
  ])("selects nobody by %j", (raw) => {
    const policy = project({ subject: raw });
    expect(policy.subject).toBeUndefined();
    expect(codes(policy)).toEqual(["POLICY_SUBJECT_UNREADABLE"]);
  });

  it("keeps its rules' order, names and actions, ingress first", () => {
    const policy = project({
      egress: [{ name: "out", action: "Deny", to: [everybody] }],
      ingress: [
        { action: allow, from: [everybody] },
        { name: "no", action: "Deny", from: [everybody] },
      ],
    });
    expect(policy.rules).toMatchObject([
      { direction: "ingress", index: 0, name: undefined, action: "allow" },
      { direction: "ingress", index: 1, name: "no", action: "deny" },
      { direction: "egress", index: 0, name: "out", action: "deny" },
    ]);
    expect(policy.problems).toEqual([]);
  });

  it("means all ports where a rule has none", () => {
    expect(ingress({ action: "Deny", from: [everybody] }).rules[0]?.ports).toBe("any");
    expect(ingress({ action: "Deny", from: [everybody], [portsField]: null }).rules[0]?.ports).toBe("any");
  });

  it("knows namespaces, pods, nodes and networks as destinations", () => {
    const to = [
      { namespaces: { matchLabels: { n: "1" } } },
      { pods: { namespaceSelector: {}, podSelector: { matchLabels: { p: "2" } } } },
      { nodes: { matchLabels: { role: "x" } } },
      { networks: ["10.0.0.0/8", "FD00::/8"] },
    ];
    const policy = egress({ action: "Deny", to });
    expect(policy.rules[0]?.peers).toMatchObject([
      { kind: "pods", selector: { text: "{n=1}/{}" } },
      { kind: "pods", selector: { text: "{}/{p=2}" } },
      { kind: "nodes", requirements: [{ key: "role", operator: "In", values: ["x"] }] },
      { kind: "networks", block: { cidr: "10.0.0.0/8", except: [] } },
      { kind: "networks", block: { cidr: "fd00::/8", except: [] } },
    ]);
    expect(policy.problems).toEqual([]);
  });

  it.each([
    ["no field", {}],
    ["a field that nobody knows", { serviceAccounts: {} }],
    ["two fields", { namespaces: {}, networks: ["10.0.0.0/8"] }],
    ["a bad selector", { namespaces: { matchExpressions: [{ key: "a", operator: "In" }] } }],
    ["pods without a selector of pods", { pods: { namespaceSelector: {} } }],
    ["a bad network", { networks: ["10.0.0.0/40"] }],
    ["no network", { networks: [] }],
    ["too many networks", { networks: Array.from({ length: 26 }, (_, index) => `10.0.${index}.0/24`) }],
    ["a bad selector of nodes", { nodes: { matchLabels: { "": "x" } } }],
    ["a bad name", { domainNames: ["*"] }],
  ])("fails closed for a peer with %s", (_what, peer) => {
    const to = [everybody, peer];
    expect(egress({ action: "Deny", to, [portsField]: undefined }).rules).toMatchObject([deniesEverything]);
    expect(egress({ action: allow, to }).rules).toMatchObject([allowsNothing]);
    expect(codes(egress({ action: allow, to }))).toEqual(["POLICY_PEER_UNREADABLE"]);
    if (kind !== "BaselineAdminNetworkPolicy") {
      expect(egress({ action: "Pass", to }).rules).toMatchObject([deniesEverything]);
    }
  });

  it.each([{ nodes: {} }, { networks: ["10.0.0.0/8"] }, { domainNames: ["example.com"] }])(
    "does not know %j as a source",
    (peer) => {
      expect(ingress({ action: allow, from: [peer] }).rules).toMatchObject([allowsNothing]);
      expect(ingress({ action: "Deny", from: [peer] }).rules).toMatchObject([deniesEverything]);
    },
  );

  it(`has 1 to ${max} peers in a rule`, () => {
    const peers = (length: number) => Array.from({ length }, () => everybody);
    expect(ingress({ action: allow, from: peers(max) }).rules[0]?.peers).toHaveLength(max);
    for (const from of [undefined, [], peers(max + 1), "all"]) {
      expect(ingress({ action: allow, from }).rules).toMatchObject([allowsNothing]);
      expect(ingress({ action: "Deny", from }).rules).toMatchObject([deniesEverything]);
    }
  });

  it(`has ${maxRules} rules in a direction, and treats more as if it couldn't read them`, () => {
    const rules = (action: string) => Array.from({ length: maxRules + 1 }, () => ({ action, from: [everybody] }));
    const policy = project({ ingress: rules(allow) });
    expect(policy.rules[maxRules - 1]).toMatchObject({ action: "allow", peers: [{ kind: "pods" }], ports: "any" });
    expect(policy.rules[maxRules]).toMatchObject(allowsNothing);
    expect(project({ ingress: rules("Deny") }).rules[maxRules]).toMatchObject(deniesEverything);
    expect(codes(policy)).toEqual(["POLICY_RULES_EXCEEDED"]);
  });

  it.each(["Log", "deny", "", undefined])("denies everything by the action %j", (action) => {
    const policy = ingress({ action, from: [everybody] });
    expect(policy.rules).toMatchObject([deniesEverything]);
    expect(codes(policy)).toEqual(["POLICY_ACTION_UNKNOWN"]);
  });

  it("complains of a named port towards nodes and networks", () => {
    const ports = [portsField === "ports" ? { namedPort: "http" } : { destinationNamedPort: "http" }];
    const rule = { action: allow, to: [{ networks: ["10.0.0.0/8"] }], [portsField]: ports };
    expect(codes(egress(rule))).toEqual(["POLICY_NAMED_PORT_WITHOUT_POD"]);
  });
});

describe("AdminNetworkPolicy", () => {
  const { project } = AdminNetworkPolicy;
  const ports = (list: unknown) => project({ ingress: [{ action: "Deny", from: [everybody], ports: list }] }).rules[0];

  it("passes to NetworkPolicies", () => {
    const policy = project({ ingress: [{ action: "Pass", from: [everybody] }] });
    expect(policy).toMatchObject({ tier: "Admin", priority: 10, rules: [{ action: "pass" }], problems: [] });
  });

  it.each([
    [{ portNumber: { port: 80 } }, [{ kind: "range", protocol: "tcp", first: 80, last: 80 }]],
    [{ portNumber: { protocol: "UDP", port: 53 } }, [{ kind: "range", protocol: "udp", first: 53, last: 53 }]],
    [
      { portRange: { protocol: "SCTP", start: 1, end: 65_535 } },
      [{ kind: "range", protocol: "sctp", first: 1, last: 65_535 }],
    ],
    [
      { namedPort: "dns" },
      [
        { kind: "named", protocol: "tcp", name: "dns" },
        { kind: "named", protocol: "udp", name: "dns" },
        { kind: "named", protocol: "sctp", name: "dns" },
      ],
    ],
  ])("understands the port %j", (entry, expected) => {
    expect(ports([entry])?.ports).toEqual(expected);
  });

  it.each([
    [[]],
    [[{}]],
    [[{ portNumber: { port: 80 }, namedPort: "http" }]],
    [[{ portNumber: { port: 0 } }]],
    [[{ portNumber: { port: 80, protocol: "ICMP" } }]],
    [[{ portRange: { start: 90, end: 80 } }]],
    [[{ portRange: { start: 90 } }]],
    [[{ namedPort: "80" }]],
    [[{ portName: "http" }]],
    ["http"],
  ])("fails closed for the ports %j", (list) => {
    expect(ports(list)).toMatchObject(deniesEverything);
    const allowing = project({ ingress: [{ action: "Allow", from: [everybody], ports: list }] });
    expect(allowing.rules).toMatchObject([allowsNothing]);
    expect(codes(allowing)).toEqual(["POLICY_PORT_UNREADABLE"]);
  });

  it.each([-1, 1001, 1.5, "10", undefined])(
    "of priority %j denies first, and allows and passes nothing",
    (priority) => {
      const rules = ["Allow", "Deny", "Pass"].map((action) => ({ action, from: [everybody] }));
      const policy = project({ priority, ingress: rules });
      expect(policy.priority).toBe(0);
      expect(policy.rules).toMatchObject([
        allowsNothing,
        { action: "deny", peers: [{ kind: "pods" }] },
        { action: "deny", peers: [{ kind: "pods" }] },
      ]);
      expect(codes(policy)).toEqual(["POLICY_PRIORITY_INVALID"]);
    },
  );

  it("lets through to domain names, in lower case and each once", () => {
    const domainNames = ["Example.COM.", "*.example.org", "example.com"];
    const policy = project({ egress: [{ action: "Allow", to: [{ domainNames }] }] });
    expect(policy.rules[0]?.peers).toEqual([{ kind: "domains", names: ["*.example.org", "example.com"] }]);
  });

  it.each(["example", "a..b", "*.*.example.com", "www.*.com", "-a.com", "exa mple.com"])("knows no name %j", (name) => {
    const policy = project({ egress: [{ action: "Allow", to: [{ domainNames: [name] }] }] });
    expect(policy.rules).toMatchObject([allowsNothing]);
  });

  it.each(["Deny", "Pass"])("denies everything where domain names are to be kept out: %s", (action) => {
    const policy = project({ egress: [{ action, to: [{ domainNames: ["example.com"] }] }] });
    expect(policy.rules).toMatchObject([deniesEverything]);
  });
});

describe("BaselineAdminNetworkPolicy", () => {
  const { project } = BaselineAdminNetworkPolicy;

  it("decides last, and has nobody to pass to", () => {
    const policy = project({ ingress: [{ action: "Pass", from: [everybody] }] });
    expect(policy).toMatchObject({ tier: "Baseline", priority: 0, rules: [deniesEverything] });
    expect(codes(policy)).toEqual(["POLICY_ACTION_UNKNOWN"]);
  });

  it("counts only under the name default", () => {
    const other = projectBaselineAdminNetworkPolicy({ metadata: { name: "second" }, spec: { subject } });
    expect(other.subject).toBeUndefined();
    expect(codes(other)).toEqual(["POLICY_BASELINE_NAME"]);
  });

  it("knows no domain names", () => {
    const policy = project({ egress: [{ action: "Allow", to: [{ domainNames: ["example.com"] }] }] });
    expect(policy.rules).toMatchObject([allowsNothing]);
  });
});

describe("ClusterNetworkPolicy", () => {
  const { project } = ClusterNetworkPolicy;
  const ports = (protocols: unknown) =>
    project({ ingress: [{ action: "Deny", from: [everybody], protocols }] }).rules[0];

  it.each(["Admin", "Baseline"])("decides in the tier %s, and passes on", (tier) => {
    const policy = project({ tier, ingress: [{ action: "Pass", from: [everybody] }] });
    expect(policy).toMatchObject({ tier, priority: 10, rules: [{ action: "pass" }], problems: [] });
  });

  it.each(["NetworkPolicy", "admin", undefined])(
    "of tier %j denies in tier Admin, and allows and passes nothing",
    (tier) => {
      const rules = ["Accept", "Deny", "Pass"].map((action) => ({ action, to: [everybody] }));
      const policy = project({ tier, egress: rules });
      expect(policy).toMatchObject({ tier: "Admin", priority: 10 });
      expect(policy.rules).toMatchObject([
        allowsNothing,
        { action: "deny", peers: [{ kind: "pods" }] },
        { action: "deny", peers: [{ kind: "pods" }] },
      ]);
      expect(codes(policy)).toEqual(["POLICY_TIER_UNKNOWN"]);
    },
  );

  it.each([
    [{ tcp: { destinationPort: { number: 80 } } }, [{ kind: "range", protocol: "tcp", first: 80, last: 80 }]],
    [
      { udp: { destinationPort: { range: { start: 5, end: 9 } } } },
      [{ kind: "range", protocol: "udp", first: 5, last: 9 }],
    ],
    [{ sctp: { destinationPort: { number: 7 } } }, [{ kind: "range", protocol: "sctp", first: 7, last: 7 }]],
    [
      { destinationNamedPort: "http" },
      [
        { kind: "named", protocol: "tcp", name: "http" },
        { kind: "named", protocol: "udp", name: "http" },
        { kind: "named", protocol: "sctp", name: "http" },
      ],
    ],
  ])("understands %j", (entry, expected) => {
    expect(ports([entry])?.ports).toEqual(expected);
  });

  it.each([
    [[]],
    [[{}]],
    [[{ tcp: {} }]],
    [[{ tcp: { sourcePort: { number: 80 } } }]],
    [[{ tcp: { destinationPort: {} } }]],
    [[{ tcp: { destinationPort: { number: 80, range: { start: 1, end: 2 } } } }]],
    [[{ tcp: { destinationPort: { number: 0 } } }]],
    [[{ tcp: { destinationPort: { range: { start: 9, end: 5 } } } }]],
    [[{ icmp: {} }]],
    [[{ destinationNamedPort: "HTTP" }]],
    [[{ tcp: { destinationPort: { number: 80 } }, udp: { destinationPort: { number: 80 } } }]],
    [Array.from({ length: 26 }, () => ({ destinationNamedPort: "http" }))],
  ])("fails closed for the protocols %j", (protocols) => {
    expect(ports(protocols)).toMatchObject(deniesEverything);
    const accepting = project({ ingress: [{ action: "Accept", from: [everybody], protocols }] });
    expect(accepting.rules).toMatchObject([allowsNothing]);
  });

  it("keeps the conditions of its status", () => {
    const conditions = [{ type: "Accepted", status: "True" }];
    expect(projectClusterNetworkPolicy({ metadata, status: { conditions } }).conditions).toBe(
      JSON.stringify(conditions),
    );
  });
});

it("no object, however odd, makes a policy's projection throw", () => {
  const thing = fc.oneof(fc.anything(), fc.array(fc.anything()), fc.record({ matchLabels: fc.anything() }));
  const peer = fc.oneof(
    thing,
    ...["namespaces", "pods", "nodes", "networks", "domainNames", "ipBlock", "podSelector"].map((name) =>
      fc.record({ [name]: thing }),
    ),
  );
  const port = fc.oneof(
    thing,
    fc.record({ port: fc.anything(), endPort: fc.anything(), tcp: thing, portNumber: thing }),
  );
  const rule = fc.record({
    action: fc.oneof(fc.constantFrom("Allow", "Accept", "Deny", "Pass", "__proto__", "constructor"), fc.anything()),
    from: fc.oneof(thing, fc.array(peer)),
    to: fc.oneof(thing, fc.array(peer)),
    ports: fc.oneof(thing, fc.array(port)),
    protocols: fc.oneof(thing, fc.array(port)),
  });
  const rules = fc.oneof(thing, fc.array(fc.oneof(thing, rule)));
  const policy = fc.record({
    metadata: thing,
    spec: fc.oneof(
      thing,
      fc.record({ ingress: rules, egress: rules, podSelector: thing, policyTypes: thing, subject: peer }),
    ),
    status: thing,
  });
  fc.assert(
    fc.property(fc.oneof(fc.anything(), policy), (raw) => {
      for (const project of [
        projectNetworkPolicy,
        projectAdminNetworkPolicy,
        projectBaselineAdminNetworkPolicy,
        projectClusterNetworkPolicy,
      ]) {
        expect(typeof project(raw).key).toBe("string");
      }
    }),
    { numRuns: 500 },
  );
});
