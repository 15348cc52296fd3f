import { describe, expect, it } from "vitest";
import type { WhyAnswer } from "./answer.ts";
import { ExplainError } from "./explain-error.ts";
import { modelOfObjects, type SmallCluster } from "./model-of-objects.ts";
import { parseCidr } from "./rule-match.ts";
import { createExplainer, type WhyOptions, type WhyQuery } from "./why.ts";

const cluster = {
  namespaces: { shop: { team: "shop" }, bank: { team: "bank" } },
  pods: {
    "shop/web": {
      addresses: ["10.244.0.5", "fd00:10:244::5"],
      labels: { app: "web" },
      node: "node1",
      ports: [
        { name: "http", containerPort: 8080 },
        { name: "dns", containerPort: 53, protocol: "UDP" },
      ],
    },
    "shop/front": { addresses: ["10.244.1.6", "fd00:10:244:1::6"], labels: { app: "front" }, node: "node2" },
    "bank/teller": { addresses: ["10.244.1.7", "fd00:10:244:1::7"], labels: { app: "front" }, node: "node2" },
    "shop/agent": { addresses: [], node: "node1", hostNetwork: true },
    "shop/done": { addresses: [], labels: { app: "web" }, phase: "Succeeded" },
  },
  nodes: {
    node1: {
      own: ["172.18.0.11", "fd00:172:18::b"],
      management: ["10.244.0.2", "fd00:10:244::2"],
      labels: { zone: "a" },
    },
    node2: { own: ["172.18.0.12"], management: ["10.244.1.2"], labels: { zone: "b" } },
  },
} as const satisfies SmallCluster;

const web = { podSelector: { matchLabels: { app: "web" } } };

const networkPolicy = (name: string, spec: object) => ({
  kind: "NetworkPolicy",
  metadata: { namespace: "shop", name, uid: name },
  spec,
});

const adminPolicy = (name: string, priority: number, spec: object) => ({
  kind: "AdminNetworkPolicy",
  metadata: { name, uid: name },
  spec: { priority, subject: { namespaces: { matchLabels: { team: "shop" } } }, ...spec },
});

const baseline = (spec: object) => ({
  kind: "BaselineAdminNetworkPolicy",
  metadata: { name: "default", uid: "default" },
  spec: { subject: { namespaces: {} }, ...spec },
});

const clusterPolicy = (name: string, spec: object) => ({
  kind: "ClusterNetworkPolicy",
  metadata: { name, uid: name },
  spec: { tier: "Admin", priority: 10, subject: { namespaces: { matchLabels: { team: "shop" } } }, ...spec },
});

function ask(
  policies: readonly object[],
  query: WhyQuery,
  more: SmallCluster = {},
  options: WhyOptions = {},
): WhyAnswer {
  const model = modelOfObjects({ ...cluster, ...more, policies: policies as SmallCluster["policies"] & object });
  return createExplainer(model).why(query, options);
}

/** The verdict that both families share. */
function verdict(
  policies: readonly object[],
  from: string,
  to: string,
  port = "8080",
  protocol: WhyQuery["protocol"] = "tcp",
) {
  return ask(policies, { from, to, protocol, ...(protocol === "icmp" ? {} : { port }) }).verdict;
}

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
  } catch (error) {
    if (error instanceof ExplainError) return error.code;
    throw error;
  }
  return undefined;
}

describe("NetworkPolicy", () => {
  const allowFront = networkPolicy("web", {
    ...web,
    ingress: [{ from: [{ podSelector: { matchLabels: { app: "front" } } }], ports: [{ port: 8080 }] }],
  });

  it("leaves pods that no policy selects open, for all protocols", () => {
    for (const protocol of ["tcp", "udp", "sctp", "icmp"] as const) {
      expect(verdict([], "bank/teller", "shop/web", "8080", protocol)).toBe("allowed");
      expect(verdict([allowFront], "bank/teller", "shop/front", "8080", protocol)).toBe("allowed");
    }
  });

  it("isolates whom it selects, and says by which policies", () => {
    const answer = ask([allowFront], { from: "bank/teller", to: "shop/web", port: "8080" });
    expect(answer.verdict).toBe("denied");
    expect(answer.paths.map(({ family }) => family)).toEqual([4, 6]);
    expect(answer.paths[0]?.egress).toEqual({ verdict: "allowed", by: "default" });
    expect(answer.paths[0]?.ingress).toEqual({
      verdict: "denied",
      by: "isolation",
      isolatedBy: [{ kind: "NetworkPolicy", name: "shop/web", tier: "NetworkPolicy" }],
    });
  });

  it("lets a podSelector alone mean the policy's own namespace", () => {
    expect(verdict([allowFront], "shop/front", "shop/web")).toBe("allowed");
    expect(verdict([allowFront], "bank/teller", "shop/web")).toBe("denied");
  });

  it("names the rule that allows", () => {
    const answer = ask([allowFront], { from: "shop/front", to: "shop/web", port: "8080" });
    expect(answer.paths[0]?.ingress).toMatchObject({
      by: "rule",
      rules: [{ policy: { kind: "NetworkPolicy", name: "shop/web" }, direction: "ingress", rule: 0, action: "allow" }],
    });
  });

  it("allows only the ports and protocols named; protocol defaults to TCP", () => {
    expect(verdict([allowFront], "shop/front", "shop/web", "8081")).toBe("denied");
    expect(verdict([allowFront], "shop/front", "shop/web", "8080", "udp")).toBe("denied");
    expect(verdict([allowFront], "shop/front", "shop/web", "8080", "icmp")).toBe("denied");
  });

  it("takes an empty rule for everything, ICMP included, and no rule for nothing", () => {
    expect(verdict([networkPolicy("all", { ...web, ingress: [{}] })], "bank/teller", "shop/web", "1", "icmp")).toBe(
      "allowed",
    );
    expect(verdict([networkPolicy("none", { ...web, ingress: [] })], "shop/front", "shop/web")).toBe("denied");
  });

  it("demands both of namespaceSelector and podSelector in one element, either of two elements", () => {
    const both = [
      { namespaceSelector: { matchLabels: { team: "bank" } }, podSelector: { matchLabels: { app: "back" } } },
    ];
    const either = [
      { namespaceSelector: { matchLabels: { team: "bank" } } },
      { podSelector: { matchLabels: { app: "back" } } },
    ];
    expect(verdict([networkPolicy("p", { ...web, ingress: [{ from: both }] })], "bank/teller", "shop/web")).toBe(
      "denied",
    );
    expect(verdict([networkPolicy("p", { ...web, ingress: [{ from: either }] })], "bank/teller", "shop/web")).toBe(
      "allowed",
    );
  });

  it("has Egress only with egress rules, unless policyTypes says so", () => {
    const ingressOnly = networkPolicy("p", { podSelector: {}, ingress: [] });
    const both = networkPolicy("p", { podSelector: {}, ingress: [{}], policyTypes: ["Ingress", "Egress"] });
    expect(verdict([ingressOnly], "shop/front", "bank/teller")).toBe("allowed");
    expect(verdict([both], "shop/front", "bank/teller")).toBe("denied");
  });

  it("needs both ends", () => {
    const egress = networkPolicy("out", { podSelector: { matchLabels: { app: "front" } }, policyTypes: ["Egress"] });
    const answer = ask([allowFront, egress], { from: "shop/front", to: "shop/web", port: "8080" });
    expect(answer.paths[0]).toMatchObject({
      verdict: "denied",
      egress: { verdict: "denied" },
      ingress: { verdict: "allowed" },
    });
  });

  it("unites the allows of several policies, and names all that allow", () => {
    const other = networkPolicy("other", { podSelector: {}, ingress: [{ from: [{ namespaceSelector: {} }] }] });
    expect(verdict([allowFront, other], "bank/teller", "shop/web")).toBe("allowed");
    const { ingress } = ask([allowFront, other], { from: "shop/front", to: "shop/web", port: "8080" }).paths[0] ?? {};
    expect(ingress?.rules?.map(({ policy }) => policy.name).sort()).toEqual(["shop/other", "shop/web"]);
  });

  it("resolves a named port by the destination pod, per protocol", () => {
    const named = networkPolicy("p", {
      ...web,
      ingress: [{ ports: [{ port: "http" }, { port: "dns", protocol: "UDP" }] }],
    });
    expect(verdict([named], "shop/front", "shop/web", "8080")).toBe("allowed");
    expect(verdict([named], "shop/front", "shop/web", "53", "udp")).toBe("allowed");
    expect(verdict([named], "shop/front", "shop/web", "53", "tcp")).toBe("denied");
    const out = networkPolicy("out", {
      podSelector: { matchLabels: { app: "front" } },
      egress: [{ ports: [{ port: "http" }] }],
    });
    expect(verdict([out], "shop/front", "shop/web", "8080")).toBe("allowed");
    expect(verdict([out], "shop/front", "bank/teller", "8080")).toBe("denied");
  });

  it("knows endPort", () => {
    const range = networkPolicy("p", { ...web, ingress: [{ ports: [{ port: 8000, endPort: 8100 }] }] });
    expect(verdict([range], "shop/front", "shop/web", "8100")).toBe("allowed");
    expect(verdict([range], "shop/front", "shop/web", "8101")).toBe("denied");
  });

  it("subtracts an except within its own block only, per family", () => {
    const blocks = (...from: object[]) => networkPolicy("p", { ...web, ingress: [{ from }] });
    const carved = { ipBlock: { cidr: "10.244.0.0/16", except: ["10.244.1.0/24"] } };
    expect(ask([blocks(carved)], { from: "shop/front", to: "shop/web", port: "80" }).verdict).toBe("denied");
    const again = blocks(carved, { ipBlock: { cidr: "10.244.1.6/32" } });
    expect(
      ask([again], { from: "shop/front", to: "shop/web", port: "80" }).paths.map(({ verdict }) => verdict),
    ).toEqual(["allowed", "denied"]);
    expect(ask([again], { from: "shop/front", to: "shop/web", port: "80" }).verdict).toBe("partly");
  });

  it("never keeps a node from its own pods, nor a pod from itself", () => {
    const none = networkPolicy("none", { podSelector: {}, policyTypes: ["Ingress", "Egress"] });
    expect(verdict([none], "node:node1", "shop/web")).toBe("allowed");
    expect(verdict([none], "shop/agent", "shop/web")).toBe("allowed");
    expect(verdict([none], "node:node2", "shop/web")).toBe("denied");
    expect(verdict([none], "shop/web", "shop/web")).toBe("allowed");
  });

  it("judges a node's management address as the node's own where a block holds that", () => {
    const nodes = networkPolicy("p", { ...web, ingress: [{ from: [{ ipBlock: { cidr: "172.18.0.0/16" } }] }] });
    expect(ask([nodes], { from: "node:node2", to: "shop/web", port: "80" }).verdict).toBe("allowed");
    const except = { ipBlock: { cidr: "0.0.0.0/0", except: ["172.18.0.0/16"] } };
    const others = networkPolicy("p", { ...web, ingress: [{ from: [except] }] });
    expect(ask([others], { from: "node:node2", to: "shop/web", port: "80" }).verdict).toBe("denied");
  });

  it("closes the whole namespace, both ways, where whom it selects can't be read", () => {
    const broken = networkPolicy("p", {
      podSelector: { matchExpressions: [{ key: "a", operator: "Oops" }] },
      ingress: [{}],
    });
    expect(verdict([broken], "bank/teller", "shop/front")).toBe("denied");
    expect(verdict([broken], "shop/front", "bank/teller")).toBe("denied");
  });
});

describe("the tiers", () => {
  const allowAll = networkPolicy("allow", { ...web, ingress: [{}] });
  const from = [{ namespaces: {} }];

  it("let an Admin rule decide before NetworkPolicies, the lower priority first", () => {
    const deny = adminPolicy("deny", 20, { ingress: [{ name: "no", action: "Deny", from }] });
    const allow = adminPolicy("allow", 10, {
      ingress: [{ action: "Allow", from, ports: [{ portNumber: { protocol: "TCP", port: 80 } }] }],
    });
    expect(verdict([allowAll, deny, allow], "bank/teller", "shop/web", "8080")).toBe("denied");
    expect(verdict([allowAll, deny, allow], "bank/teller", "shop/web", "80")).toBe("allowed");
    const answer = ask([allowAll, deny], { from: "bank/teller", to: "shop/web", port: "80" });
    expect(answer.paths[0]?.ingress.rules).toEqual([
      {
        policy: { kind: "AdminNetworkPolicy", name: "deny", tier: "Admin", priority: 20 },
        direction: "ingress",
        rule: 0,
        name: "no",
        action: "deny",
      },
    ]);
  });

  it("take the first rule of a policy that matches", () => {
    const order = adminPolicy("order", 1, {
      ingress: [
        { action: "Allow", from: [{ namespaces: { matchLabels: { team: "bank" } } }] },
        { action: "Deny", from },
      ],
    });
    expect(verdict([order], "bank/teller", "shop/web")).toBe("allowed");
    expect(verdict([order], "shop/front", "shop/web")).toBe("denied");
  });

  it("pass on to NetworkPolicies and from there to the Baseline, and say so", () => {
    const pass = adminPolicy("pass", 1, { ingress: [{ action: "Pass", from }] });
    const deny = adminPolicy("deny", 2, { ingress: [{ action: "Deny", from }] });
    const last = baseline({ ingress: [{ action: "Deny", from }] });
    expect(verdict([pass, deny, allowAll, last], "bank/teller", "shop/web")).toBe("allowed");
    const answer = ask([pass, deny, last], { from: "bank/teller", to: "shop/web", port: "80" });
    expect(answer.paths[0]?.ingress).toMatchObject({
      verdict: "denied",
      rules: [{ policy: { kind: "BaselineAdminNetworkPolicy", tier: "Baseline" } }],
      passes: [{ policy: { name: "pass" }, action: "pass" }],
    });
    expect(verdict([pass, deny], "bank/teller", "shop/web")).toBe("allowed");
  });

  it("never come to the Baseline for a pod that NetworkPolicies isolate", () => {
    const last = baseline({ ingress: [{ action: "Allow", from }] });
    const none = networkPolicy("none", { ...web, ingress: [] });
    expect(verdict([last, none], "bank/teller", "shop/web")).toBe("denied");
  });

  it("select nodes, networks and domain names for egress", () => {
    const to = (peer: object) =>
      clusterPolicy("out", {
        egress: [
          { action: "Accept", to: [peer] },
          { action: "Deny", to: [{ networks: ["0.0.0.0/0", "::/0"] }] },
        ],
      });
    const nodes = to({ nodes: { matchLabels: { zone: "b" } } });
    expect(verdict([nodes], "shop/web", "node:node2")).toBe("allowed");
    expect(verdict([nodes], "shop/web", "node:node1")).toBe("denied");
    const networks = to({ networks: ["203.0.113.0/24"] });
    expect(verdict([networks], "shop/web", "203.0.113.9")).toBe("allowed");
    expect(verdict([networks], "shop/web", "198.51.100.9")).toBe("denied");
    const names = to({ domainNames: ["example.com"] });
    const known = { domains: { "example.com": ["198.51.100.9"] } };
    expect(ask([names], { from: "shop/web", to: "198.51.100.9", port: "443" }, known).verdict).toBe("allowed");
    expect(ask([names], { from: "shop/web", to: "Example.com", port: "443" }, known).to).toEqual({
      kind: "domain",
      name: "example.com",
    });
    expect(verdict([names], "shop/web", "198.51.100.9")).toBe("denied");
  });

  it("never select pods in their node's network, as subject or as peer", () => {
    const deny = adminPolicy("deny", 1, { egress: [{ action: "Deny", to: [{ namespaces: {} }] }] });
    expect(verdict([deny], "shop/agent", "bank/teller")).toBe("allowed");
    expect(ask([deny], { from: "shop/web", to: "shop/agent", port: "80" }).verdict).toBe("allowed");
  });
});

describe("services", () => {
  const service = {
    metadata: { namespace: "shop", name: "web", uid: "web" },
    spec: { clusterIP: "10.96.0.9", selector: { app: "web" }, ports: [{ name: "http", port: 80, targetPort: "http" }] },
  };
  const slice = (endpoints: object[]) => ({
    metadata: { namespace: "shop", name: "web-1", labels: { "kubernetes.io/service-name": "web" } },
    addressType: "IPv4",
    ports: [{ name: "http", port: 8080 }],
    endpoints,
  });
  const served = { services: [service], slices: [slice([{ addresses: ["10.244.0.5"], nodeName: "node1" }])] };
  const policy = networkPolicy("p", { ...web, ingress: [{ ports: [{ port: 8080 }] }] });

  it("are judged by their backends and the backends' ports", () => {
    for (const to of ["service:shop/web", "service:shop/web:80", "service:shop/web:http", "10.96.0.9"]) {
      const answer = ask([policy], { from: "bank/teller", to }, served);
      expect(answer.verdict).toBe("allowed");
      expect(answer.paths[0]).toMatchObject({
        to: { name: "shop/web", address: "10.244.0.5" },
        ports: { first: 8080, last: 8080 },
        service: { name: "shop/web", address: "10.96.0.9", port: 80 },
      });
    }
  });

  it("are allowed for a backend itself, whatever policies say", () => {
    const none = networkPolicy("none", { podSelector: {}, policyTypes: ["Ingress", "Egress"] });
    expect(ask([none], { from: "shop/web", to: "service:shop/web" }, served).verdict).toBe("allowed");
    expect(ask([none], { from: "shop/front", to: "service:shop/web" }, served).verdict).toBe("denied");
  });

  it("tell when nobody serves", () => {
    const unready = {
      services: [service],
      slices: [slice([{ addresses: ["10.244.0.5"], conditions: { ready: false } }])],
    };
    const answer = ask([], { from: "shop/front", to: "service:shop/web" }, unready);
    expect(answer.verdict).toBe("unserved");
    expect(answer.notes.join()).toContain("nobody serves tcp/80");
  });

  it("reach a backend in a node's network at the node", () => {
    const onNode = { services: [service], slices: [slice([{ addresses: ["172.18.0.12"], nodeName: "node2" }])] };
    expect(ask([], { from: "shop/front", to: "service:shop/web" }, onNode).paths[0]?.to).toEqual({
      kind: "node",
      name: "node2",
      address: "10.244.1.2",
    });
  });

  it("have only their own ports", () => {
    expect(codeOf(() => ask([], { from: "shop/front", to: "service:shop/web:81" }, served))).toBe("NOT_FOUND");
    expect(codeOf(() => ask([], { from: "shop/front", to: "service:shop/gone" }, served))).toBe("NOT_FOUND");
  });
});

describe("a question", () => {
  it("without port gets runs of ports, for each protocol", () => {
    const range = networkPolicy("p", { ...web, ingress: [{ ports: [{ port: 8000, endPort: 8100 }, { port: 8101 }] }] });
    const { paths, verdict } = ask([range], { from: "shop/front", to: "10.244.0.5" });
    expect(verdict).toBe("partly");
    expect(paths.map(({ protocol, ports, verdict }) => [protocol, ports?.first, ports?.last, verdict])).toEqual([
      ["tcp", 0, 7999, "denied"],
      ["tcp", 8000, 8101, "allowed"],
      ["tcp", 8102, 65_535, "denied"],
      ["udp", 0, 65_535, "denied"],
      ["sctp", 0, 65_535, "denied"],
      ["icmp", undefined, undefined, "denied"],
    ]);
  });

  it.each([
    ["nonsense", "shop/web", "BAD_QUERY"],
    ["shop/gone", "shop/web", "NOT_FOUND"],
    ["node:gone", "shop/web", "NOT_FOUND"],
    ["shop/done", "shop/web", "NO_ADDRESS"],
    ["shop/front", "unknown.example", "NO_ADDRESS"],
    ["service:shop/web", "shop/web", "BAD_QUERY"],
    ["shop/front", "10.0.0.0/8", "BAD_QUERY"],
    ["10.0.0.0/8", "shop/web", "BAD_QUERY"],
    ["shop/front", "999.1.1.1", "BAD_QUERY"],
    ["10.244.1.6", "fd00:10:244::5", "NO_ADDRESS"],
  ])("from %s to %s is refused as %s", (from, to, code) => {
    expect(codeOf(() => ask([], { from, to, port: "80" }))).toBe(code);
  });

  it("knows that nobody answers at other addresses of the services' network", () => {
    const networks = ["10.96.0.0/16"].flatMap((text) => parseCidr(text) ?? []);
    const explainer = createExplainer(modelOfObjects(cluster), networks);
    const toService = () => explainer.why({ from: "shop/front", to: "10.96.3.3", port: "80" });
    expect(codeOf(toService)).toBe("NOT_FOUND");
    expect(toService).toThrow("what is sent to it is dropped");
    expect(explainer.why({ from: "shop/front", to: "10.97.3.3", port: "80" }).verdict).toBe("allowed");
  });

  it("says of a policy that decides what of it can't be read", () => {
    const unreadable = networkPolicy("web", {
      podSelector: {},
      ingress: [{ from: [{ ipBlock: { cidr: "10.0.0.0/33" } }] }],
    });
    expect(ask([unreadable], { from: "shop/front", to: "shop/web", port: "80" }).notes).toEqual([
      'NetworkPolicy shop/web has a problem: ingress[0]: "10.0.0.0/33" is no network',
    ]);
  });

  it("says which policies about an end are not carried out to the letter, whoever decides", () => {
    const shortcoming = { code: "POLICY_PRIORITIES_EXHAUSTED", message: "all ingress is dropped" } as const;
    const policies = [networkPolicy("web", { podSelector: {} })];
    const model = modelOfObjects({ ...cluster, policies, shortcomings: { "NetworkPolicy/shop/web": [shortcoming] } });
    const { notes } = createExplainer(model).why({ from: "10.9.9.9", to: "shop/web", port: "80" });
    expect(notes).toEqual([
      "NetworkPolicy shop/web is not carried out as it says (POLICY_PRIORITIES_EXHAUSTED): all ingress is dropped",
    ]);
  });

  it("refuses ports that are none", () => {
    for (const port of ["0", "65536", "http", "-1"]) {
      expect(codeOf(() => ask([], { from: "shop/front", to: "shop/web", port }))).toBe("BAD_QUERY");
    }
  });
});

describe("what would change it", () => {
  const policy = networkPolicy("web", {
    ...web,
    ingress: [
      { from: [{ podSelector: { matchLabels: { role: "client" } } }], ports: [{ port: 8080 }] },
      { from: [{ podSelector: { matchLabels: { app: "front" } } }], ports: [{ port: 9090 }] },
    ],
  });
  const changesOf = (policies: readonly object[], query: WhyQuery, which: "egress" | "ingress" = "ingress") =>
    ask(policies, query, {}, { changes: true }).paths[0]?.[which].changes ?? [];

  it("is a rule, a label or a port, where isolation denies", () => {
    expect(changesOf([policy], { from: "shop/front", to: "shop/web", port: "8080" })).toEqual([
      "add a rule to NetworkPolicy shop/web that allows ingress from pods with app=front in namespace shop on tcp/8080",
      "give pod shop/front the label role=client: ingress rule 0 of NetworkPolicy shop/web then allows it",
      "add tcp/8080 to the ports of ingress rule 1 of NetworkPolicy shop/web, which already allows this peer on tcp/9090",
    ]);
  });

  it("takes ports away for ICMP, which has none", () => {
    expect(changesOf([policy], { from: "shop/front", to: "shop/web", protocol: "icmp" })).toContain(
      "take the ports away from ingress rule 1 of NetworkPolicy shop/web, which already allows this peer on tcp/9090 (ICMP has no ports)",
    );
  });

  it("is an earlier rule, where an Admin policy denies", () => {
    const deny = adminPolicy("deny", 20, { ingress: [{ action: "Deny", from: [{ namespaces: {} }] }] });
    expect(changesOf([deny], { from: "bank/teller", to: "shop/web", port: "80" })).toEqual([
      "put a rule that allows ingress from pods with app=front in namespace bank on tcp/80 before ingress rule 0 of AdminNetworkPolicy deny, or into an AdminNetworkPolicy of a priority number below 20",
    ]);
  });

  it("is isolation, where nothing is said; and nothing for whom policies don't select", () => {
    expect(changesOf([], { from: "bank/teller", to: "shop/web", port: "80" })[0]).toContain("isolate pod shop/web");
    expect(changesOf([], { from: "node:node1", to: "shop/web", port: "80" })).toEqual([]);
    expect(changesOf([], { from: "node:node2", to: "shop/web", port: "80" }, "egress")).toEqual([]);
  });

  it("isn't told of the end that allows already", () => {
    expect(changesOf([policy], { from: "shop/front", to: "shop/web", port: "8080" }, "egress")).toEqual([]);
  });
});
