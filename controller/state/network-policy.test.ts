import { describe, expect, it } from "vitest";
import { projectNetworkPolicy } from "./network-policy.ts";

const read = (spec: unknown, metadata: object = {}) =>
  projectNetworkPolicy({ metadata: { namespace: "shop", name: "web", uid: "u", ...metadata }, spec });
const ingress = (rule: unknown) => read({ podSelector: {}, ingress: [rule] }).rules[0];
const egress = (rule: unknown) => read({ podSelector: {}, egress: [rule] }).rules[0];
const from = (peer: unknown) => ingress({ from: [peer] })?.peers;
const port = (entry: unknown) => ingress({ ports: [entry] })?.ports;
const codes = (spec: unknown) => read(spec).problems.map(({ code }) => code);
/** The selectors' texts, networks as they are. */
const peersText = (peer: unknown) => {
  const peers = from(peer);
  return peers === "any"
    ? "any"
    : peers?.map((each) => (each.kind === "pods" ? each.selector.text : each.kind === "networks" ? each.block : each));
};

describe("a NetworkPolicy", () => {
  it("keeps what it is and of when", () => {
    const policy = read(
      { podSelector: { matchLabels: { app: "web" } } },
      { generation: 3, creationTimestamp: "2026-01-01T00:00:00Z" },
    );
    expect(policy).toMatchObject({
      kind: "NetworkPolicy",
      key: "shop/web",
      uid: "u",
      generation: 3,
      createdAt: Date.UTC(2026, 0, 1),
      tier: "NetworkPolicy",
      priority: 0,
      problems: [],
      conditions: undefined,
    });
    expect(policy.subject?.text).toBe("shop{}/{app=web}");
  });

  it.each([{ podSelector: {} }, {}, { podSelector: null }])("selects its whole namespace with %j", (spec) => {
    expect(read(spec).subject?.text).toBe("shop{}/{}");
  });

  it.each([
    [{}, ["ingress"]],
    [{ ingress: [{}] }, ["ingress"]],
    [{ egress: [] }, ["ingress"]],
    [{ egress: [{}] }, ["ingress", "egress"]],
    [{ policyTypes: [], egress: [{}] }, ["ingress", "egress"]],
    [{ policyTypes: ["Ingress"], egress: [{}] }, ["ingress"]],
    [{ policyTypes: ["Egress"] }, ["egress"]],
    [{ policyTypes: ["Egress", "Ingress"] }, ["ingress", "egress"]],
  ])("with %j isolates for %j", (spec, directions) => {
    expect(read({ podSelector: {}, ...spec }).isolates).toEqual(directions);
  });

  it("has no rules of a direction that its types leave out", () => {
    const rules = read({ policyTypes: ["Egress"], ingress: [{}], egress: [{}, {}] }).rules;
    expect(rules.map(({ direction, index }) => [direction, index])).toEqual([
      ["egress", 0],
      ["egress", 1],
    ]);
  });

  it("without rules for a direction allows nothing in it", () => {
    expect(read({ ingress: [] }).rules).toEqual([]);
    expect(read({ policyTypes: ["Ingress", "Egress"] }).rules).toEqual([]);
  });

  it.each([{}, { from: [], ports: [] }, { from: null, ports: null }])("lets everybody in with the rule %j", (rule) => {
    expect(ingress(rule)).toEqual({
      direction: "ingress",
      index: 0,
      name: undefined,
      action: "allow",
      peers: "any",
      ports: "any",
    });
  });

  it.each([
    ["pods of its own namespace by their labels alone", { podSelector: { matchLabels: { a: "1" } } }, "shop{}/{a=1}"],
    ["all pods of its own namespace", { podSelector: {} }, "shop{}/{}"],
    ["all pods of namespaces with labels", { namespaceSelector: { matchLabels: { team: "x" } } }, "{team=x}/{}"],
    ["all pods of all namespaces", { namespaceSelector: {} }, "{}/{}"],
    [
      "pods with labels in namespaces with labels: both have to hold",
      { namespaceSelector: { matchLabels: { team: "x" } }, podSelector: { matchLabels: { a: "1" } } },
      "{team=x}/{a=1}",
    ],
  ])("means %s", (_what, peer, text) => {
    expect(peersText(peer)).toEqual([text]);
  });

  it("means any of several peers", () => {
    expect(ingress({ from: [{ podSelector: {} }, { namespaceSelector: {} }] })?.peers).toHaveLength(2);
  });

  describe("with an ipBlock", () => {
    it("takes excepts from their own block only", () => {
      const rule = ingress({
        from: [{ ipBlock: { cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] } }, { ipBlock: { cidr: "10.1.0.0/16" } }],
      });
      expect(rule?.peers).toEqual([
        { kind: "networks", block: { cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] } },
        { kind: "networks", block: { cidr: "10.1.0.0/16", except: [] } },
      ]);
    });

    it("drops bits beyond the prefix, and writes IPv6 in one way", () => {
      expect(peersText({ ipBlock: { cidr: "10.1.2.3/8", except: ["10.1.2.3/16"] } })).toEqual([
        { cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] },
      ]);
      expect(peersText({ ipBlock: { cidr: "2001:DB8:0::/32" } })).toEqual([{ cidr: "2001:db8::/32", except: [] }]);
    });

    it("has nothing left where an except covers it", () => {
      expect(from({ ipBlock: { cidr: "10.0.0.0/24", except: ["10.0.0.0/24"] } })).toEqual([]);
      expect(from({ ipBlock: { cidr: "10.0.0.0/24", except: ["10.0.0.0/8"] } })).toEqual([]);
    });

    it("loses nothing to an except outside of it, and says so", () => {
      const peer = { ipBlock: { cidr: "10.0.0.0/24", except: ["10.0.1.0/24"] } };
      expect(peersText(peer)).toEqual([{ cidr: "10.0.0.0/24", except: [] }]);
      expect(codes({ ingress: [{ from: [peer] }] })).toEqual(["POLICY_EXCEPT_OUTSIDE"]);
    });
  });

  it.each([
    [{ port: 80 }, { kind: "range", protocol: "tcp", first: 80, last: 80 }],
    [
      { protocol: "UDP", port: 53 },
      { kind: "range", protocol: "udp", first: 53, last: 53 },
    ],
    [{ protocol: "SCTP" }, { kind: "range", protocol: "sctp", first: 0, last: 65_535 }],
    [{}, { kind: "range", protocol: "tcp", first: 0, last: 65_535 }],
    [
      { port: 80, endPort: 90 },
      { kind: "range", protocol: "tcp", first: 80, last: 90 },
    ],
    [
      { port: 80, endPort: 80 },
      { kind: "range", protocol: "tcp", first: 80, last: 80 },
    ],
    [{ port: "http" }, { kind: "named", protocol: "tcp", name: "http" }],
    [
      { protocol: "UDP", port: "dns" },
      { kind: "named", protocol: "udp", name: "dns" },
    ],
  ])("understands the port %j", (entry, expected) => {
    expect(port(entry)).toEqual([expected]);
  });

  it.each([
    { port: 80, endPort: 79 },
    { endPort: 80 },
    { port: "http", endPort: 90 },
    { port: 0 },
    { port: 65_536 },
    { port: 80, endPort: 65_536 },
    { port: 80.5 },
    { port: "80" },
    { port: "Http" },
    { port: "a-name-that-is-long" },
    { protocol: "ICMP" },
    { protocol: "tcp" },
    "http",
  ])("allows nothing by the port %j, but what else the rule says holds", (entry) => {
    expect(port(entry)).toEqual([]);
    expect(ingress({ ports: [entry, { port: 443 }] })?.ports).toHaveLength(1);
    expect(codes({ ingress: [{ ports: [entry] }] })).toEqual(["POLICY_PORT_UNREADABLE"]);
  });

  it.each([
    {},
    "10.0.0.0/8",
    { ipBlock: {} },
    { ipBlock: { cidr: "10.0.0.0" } },
    { ipBlock: { cidr: "10.0.0.0/33" } },
    { ipBlock: { cidr: "10.0.0/8" } },
    { ipBlock: { cidr: "010.0.0.0/8" } },
    { ipBlock: { cidr: "10.0.0.0/8", except: ["10.1.0.0"] } },
    { ipBlock: { cidr: "10.0.0.0/8", except: ["fd00::/64"] } },
    { ipBlock: { cidr: "10.0.0.0/8", except: "10.1.0.0/16" } },
    { ipBlock: { cidr: "10.0.0.0/8" }, podSelector: {} },
    { podSelector: { matchExpressions: [{ key: "a", operator: "In" }] } },
    { podSelector: {}, namespaceSelector: { matchLabels: { a: "!" } } },
  ])("lets nobody in by the peer %j, but what else the rule says holds", (peer) => {
    expect(from(peer)).toEqual([]);
    expect(ingress({ from: [peer, { podSelector: {} }] })?.peers).toHaveLength(1);
    expect(codes({ ingress: [{ from: [peer] }] })).toEqual(["POLICY_PEER_UNREADABLE"]);
  });

  it.each([{ from: "all" }, { from: {} }, "all"])("does not take %j for a rule without peers", (rule) => {
    expect(ingress(rule)?.peers).toEqual([]);
  });

  it("does not take ports that are no list for all ports", () => {
    expect(ingress({ ports: { port: 80 } })?.ports).toEqual([]);
  });

  it("complains of a named port towards addresses, which name none", () => {
    const ports = [{ port: "http" }];
    const peer = { ipBlock: { cidr: "10.0.0.0/8" } };
    expect(codes({ egress: [{ to: [peer, { podSelector: {} }], ports }] })).toEqual(["POLICY_NAMED_PORT_WITHOUT_POD"]);
    expect(egress({ to: [peer], ports })).toMatchObject({ peers: [{ kind: "networks" }], ports: [{ kind: "named" }] });
    // From addresses to a named port of the policy's own pods is as clear as can be.
    expect(codes({ ingress: [{ from: [peer], ports }] })).toEqual([]);
    expect(codes({ egress: [{ ports }] })).toEqual([]);
  });

  it.each([[{ matchExpressions: [{ key: "a", operator: "Maybe" }] }], ["all"], [{ matchLabels: { a: 1 } }]])(
    "isolates its whole namespace in both directions when whom it selects can't be read: %j",
    (podSelector) => {
      const policy = read({ podSelector, policyTypes: ["Ingress"], ingress: [{}] });
      expect(policy).toMatchObject({ isolates: ["ingress", "egress"], rules: [] });
      expect(policy.subject?.text).toBe("shop{}/{}");
      expect(policy.problems).toMatchObject([{ code: "POLICY_SUBJECT_UNREADABLE" }]);
    },
  );

  it.each([[["Sideways"]], ["Ingress and Egress"]])("isolates in both directions with the types %j", (policyTypes) => {
    const policy = read({ podSelector: {}, policyTypes });
    expect(policy.isolates).toEqual(["ingress", "egress"]);
    expect(policy.problems).toMatchObject([{ code: "POLICY_TYPES_UNKNOWN" }]);
  });

  it("is frozen through and through", () => {
    const isFrozen = (value: unknown): boolean =>
      typeof value !== "object" || value === null || (Object.isFrozen(value) && Object.values(value).every(isFrozen));
    const rule = { from: [{ ipBlock: { cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] } }, {}], ports: [{ port: 80 }] };
    expect(isFrozen(read({ ingress: [rule, {}], egress: [{ to: [{ podSelector: {} }] }] }))).toBe(true);
  });
});

describe("a NetworkPolicy that is too large", () => {
  const many = <T>(count: number, make: (place: number) => T): T[] =>
    Array.from({ length: count }, (_, at) => make(at));
  const octets = (at: number) => `10.${(at >> 16) & 255}.${(at >> 8) & 255}.${at & 255}/32`;

  it.each([
    ["rules", { ingress: many(1_001, () => ({})) }],
    ["rules of both directions", { ingress: many(600, () => ({})), egress: many(600, () => ({})) }],
    ["selectors", { ingress: [{ from: many(2_001, (at) => ({ podSelector: { matchLabels: { at: `${at}` } } })) }] }],
    ["networks", { ingress: [{ from: many(10_001, (at) => ({ ipBlock: { cidr: octets(at) } })) }] }],
    ["excepts", { ingress: [{ from: [{ ipBlock: { cidr: "10.0.0.0/8", except: many(251, octets) } }] }] }],
    ["ports", { ingress: [{ ports: many(5_001, (at) => ({ port: at + 1 })) }] }],
    ["named ports", { ingress: [{ ports: many(201, (at) => ({ port: `port-${at}` })) }] }],
  ])("of %s isolates whom it selects, and allows nothing", (_what, spec) => {
    const policy = read({ podSelector: { matchLabels: { app: "web" } }, ...spec });
    expect(policy.rules).toEqual([]);
    expect(policy.isolates).toContain("ingress");
    expect(policy.subject?.text).toBe("shop{}/{app=web}");
    expect(policy.problems.map(({ code }) => code)).toEqual(["POLICY_TOO_LARGE"]);
  });

  it("is none with a thousand rules", () => {
    expect(read({ ingress: many(1_000, () => ({})) })).toMatchObject({ problems: [], rules: { length: 1_000 } });
  });

  it("says of what is wrong with it no more than anybody can read", () => {
    const { problems } = read({
      ingress: [{ from: many(5_000, (at) => ({ ipBlock: { cidr: `x${at}`.repeat(500) } })) }],
    });
    expect(problems.length).toBeLessThan(20);
    expect(Math.max(...problems.map(({ message }) => message.length))).toBeLessThanOrEqual(512);
  });
});

it.each(["constructor", "toString", "tcp"])("%s is no protocol", (protocol) => {
  expect(port({ protocol, port: 80 })).toEqual([]);
  expect(codes({ ingress: [{ ports: [{ protocol, port: 80 }] }] })).toEqual(["POLICY_PORT_UNREADABLE"]);
});
