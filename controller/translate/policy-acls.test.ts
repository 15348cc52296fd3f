import { describe, expect, it } from "vitest";
import { type NetworkConfig, parseNetworkConfig } from "../ipam/network-config.ts";
import type { PolicyRecord, PolicyRule } from "../state/policy.ts";
import { podSelector } from "../state/selector.ts";
import { aclOrigin } from "./acl-origin.ts";
import { contentText } from "./address-set.ts";
import { policyBundle } from "./policy-acls.ts";
import type { LoggedNamespaces, PolicyContext } from "./policy-context.ts";
import { bands, type PolicyLayout, policyLayout } from "./policy-layout.ts";
import { rankPolicies } from "./policy-ranks.ts";
import type { PolicySets } from "./policy-sets.ts";

function networkOf(input: unknown): NetworkConfig {
  const result = parseNetworkConfig(input);
  if (result.kind === "invalid") throw new Error(JSON.stringify(result.problems));
  return result.network;
}

const dualStack = networkOf({});

/** Names say what they stand for, so that a match reads like the policy. */
const sets: PolicySets = {
  group: ({ text }) => ({ name: `<${text}>`, uuid: `uuid of ${text}` }),
  addresses: (content, family) =>
    content.kind === "networks" && !content.blocks.some(({ cidr }) => cidr.includes(":") === (family === 6))
      ? undefined
      : `${content.kind}<${contentText(content)}>.${family}`,
  views: () => [],
  portNumbers: (_, protocol, name) => ({
    numbers: protocol === "tcp" && name === "http" ? [80, 8080] : [],
    complete: true,
  }),
};

const web = podSelector({ namespace: "shop", podRequirements: [{ key: "app", operator: "In", values: ["web"] }] });
const db = podSelector({ namespace: "shop", podRequirements: [{ key: "app", operator: "In", values: ["db"] }] });
const bank = podSelector({ namespace: "bank" });
const everyPod = podSelector({});
const tcp = (first: number, last = first) => ({ kind: "range", protocol: "tcp", first, last }) as const;
const http = { kind: "named", protocol: "tcp", name: "http" } as const;
const pods = (selector: typeof web) => ({ kind: "pods", selector }) as const;

function rule(part: Partial<PolicyRule>): PolicyRule {
  return { direction: "ingress", index: 0, name: undefined, action: "allow", peers: "any", ports: "any", ...part };
}

function policy(part: Partial<PolicyRecord>): PolicyRecord {
  return {
    kind: "NetworkPolicy",
    key: "shop/web",
    uid: "u",
    generation: 1,
    createdAt: 0,
    tier: "NetworkPolicy",
    priority: 0,
    subject: web,
    isolates: ["ingress"],
    rules: [],
    problems: [],
    conditions: undefined,
    ...part,
  };
}

const admin = (part: Partial<PolicyRecord>): PolicyRecord =>
  policy({ kind: "AdminNetworkPolicy", key: "a", tier: "Admin", subject: everyPod, isolates: [], ...part });

const block = { cidr: "10.1.0.0/16", except: [] } as const;
const silent: LoggedNamespaces = { allow: [], deny: [] };

const podNetworksOf =
  (network: NetworkConfig): PolicyContext["podNetworks"] =>
  (family) =>
    network.families.flatMap((own) => (own.family === family ? [own.cluster] : []));

interface Given {
  readonly among?: readonly PolicyRecord[];
  readonly layout?: PolicyLayout;
  readonly logged?: LoggedNamespaces;
  readonly network?: NetworkConfig;
  readonly sets?: PolicySets;
  /** Takes the codes of problems. */
  readonly told?: string[];
}

/** `part: priority action match`, and the name of those that log. */
function aclsOf(one: PolicyRecord, given: Given = {}): Record<string, string> {
  const { among = [], layout = bands, logged = silent, network = dualStack, told = [] } = given;
  const ranks = rankPolicies([one, ...among], layout);
  const complain = (code: string) => told.push(code);
  const podNetworks = podNetworksOf(network);
  const context: PolicyContext = { sets: given.sets ?? sets, layout, network, podNetworks, ranks, logged, complain };
  const bundle = policyBundle(one, context);
  const rows = bundle?.rows ?? [];
  for (const { owner } of rows) expect(aclOrigin(owner)).toMatchObject({ kind: one.kind, key: one.key });
  expect(bundle?.memberships.map(({ member }) => member) ?? []).toEqual(rows.map(({ uuid }) => uuid));
  expect(new Set(rows.map(({ uuid }) => uuid)).size).toBe(rows.length);
  return Object.fromEntries(
    rows.map(({ owner, columns }) => [
      owner.slice(owner.indexOf("#") + 1),
      [
        columns.priority,
        ...(columns.tier === undefined ? [] : [`tier ${columns.tier}`]),
        columns.action,
        columns.match,
        ...(columns.log === true ? [`as ${columns.name}`] : []),
      ].join(" "),
    ]),
  );
}

const shopWeb = "outport == @<shop{}/{app=web}>";

describe("a policy about pods whose addresses others may have as well", () => {
  const views = [{ tenant: "red", sees: ["blue", "red"] }];
  const inRed: PolicySets = { ...sets, views: () => views };
  const network = networkOf({ clusterCidr: "10.244.0.0/16", nodePrefix: "24" });
  const ports = [tcp(80)];

  it("says it again for their tenant, by the addresses that this and its peers know", () => {
    const one = policy({ rules: [rule({ peers: [pods(db), { kind: "networks", block }], ports })] });
    expect(aclsOf(one, { sets: inRed, network })).toEqual({
      "ingress.0.ipv4-tcp":
        "10400 allow-related outport == @<shop{}/{app=web}> && ip4.src == {$networks<10.1.0.0/16>.4, $pods<shop{}/{app=db}>.4} && tcp.dst == 80",
      "ingress.0.ipv4-tcp.in:red":
        "10400 allow-related outport == @<shop{}/{#tenant=red, app=web}> && ip4.src == $pods<shop{}/{#tenant in (blue,red), app=db} by own addresses>.4 && tcp.dst == 80",
    });
  });

  it("says nothing again of networks and of everybody, who are the same for all", () => {
    const one = policy({ rules: [rule({ peers: [{ kind: "networks", block }] }), rule({ index: 1 })] });
    expect(Object.keys(aclsOf(one, { sets: inRed, network }))).toEqual(["ingress.0.ipv4", "ingress.1.all"]);
  });

  it("compares own addresses with networks as they are, not with the part that is the cluster's", () => {
    const pass = admin({
      rules: [
        rule({ action: "pass", peers: [{ kind: "networks", block: { cidr: "10.0.0.0/8", except: [] } }] }),
        rule({ index: 1, action: "deny" }),
      ],
    });
    const one = policy({ rules: [rule({ peers: [pods(db)] })] });
    const again = Object.entries(aclsOf(one, { sets: inRed, network, among: [pass] })).filter(([part]) =>
      part.includes("@"),
    );
    expect(again.map(([part, text]) => `${part}: ${text.slice(text.indexOf("ip4"))}`)).toEqual([
      "ingress.isolation.ipv4@AdminNetworkPolicy/a:0: ip4.src == $networks<10.0.0.0/8>.4",
      "ingress.0.ipv4@AdminNetworkPolicy/a:0: ip4.src == $pods<shop{}/{app=db}>.4",
      "ingress.0.ipv4.in:red@AdminNetworkPolicy/a:0: ip4.src == $pods<shop{}/{#tenant in (blue,red), app=db} by own addresses>.4 && ip4.src == $networks<10.0.0.0/8>.4",
    ]);
  });
});

describe("a NetworkPolicy", () => {
  it("that only isolates has no ACL of its own", () => {
    expect(aclsOf(policy({}))).toEqual({});
  });

  it("allows peers by their addresses, each family for itself", () => {
    expect(aclsOf(policy({ rules: [rule({ peers: [pods(db)], ports: [tcp(80), tcp(443)] })] }))).toEqual({
      "ingress.0.ipv4-tcp": `10400 allow-related ${shopWeb} && ip4.src == $pods<shop{}/{app=db}>.4 && tcp.dst == {80, 443}`,
      "ingress.0.ipv6-tcp": `10400 allow-related ${shopWeb} && ip6.src == $pods<shop{}/{app=db}>.6 && tcp.dst == {80, 443}`,
    });
  });

  it("allows everybody and everything without naming a family", () => {
    expect(aclsOf(policy({ rules: [rule({})] }))).toEqual({ "ingress.0.all": `10400 allow-related ${shopWeb} && ip` });
  });

  it("judges egress by destinations, after load balancing", () => {
    const egress = policy({ rules: [rule({ direction: "egress", peers: [pods(db)], ports: [tcp(5432)] })] });
    const network = networkOf({ clusterCidr: "10.244.0.0/16" });
    const context = {
      sets,
      layout: bands,
      network,
      podNetworks: podNetworksOf(network),
      ranks: rankPolicies([], bands),
      logged: silent,
      complain: () => undefined,
    };
    expect(policyBundle(egress, context)?.rows.map(({ columns }) => columns)).toMatchObject([
      {
        direction: "from-lport",
        options: { "apply-after-lb": "true" },
        match: "inport == @<shop{}/{app=web}> && ip4.dst == $pods<shop{}/{app=db}>.4 && tcp.dst == 5432",
        log: false,
      },
    ]);
  });

  it("has an ACL for each protocol, with overlapping ports joined", () => {
    const udp = { kind: "range", protocol: "udp", first: 0, last: 65535 } as const;
    expect(aclsOf(policy({ rules: [rule({ ports: [tcp(80), tcp(81, 90), tcp(85, 95), tcp(443), udp] })] }))).toEqual({
      "ingress.0.tcp": `10400 allow-related ${shopWeb} && (tcp.dst == 443 || 80 <= tcp.dst <= 95)`,
      "ingress.0.udp": `10400 allow-related ${shopWeb} && udp`,
    });
  });

  it("has one set for all address blocks of a rule, and none of a family without blocks", () => {
    const blocks = ["10.0.0.0/8", "192.168.0.0/16"].map((cidr) => ({
      kind: "networks" as const,
      block: { cidr, except: [] },
    }));
    expect(aclsOf(policy({ rules: [rule({ peers: [...blocks, pods(db)] })] }))).toEqual({
      "ingress.0.ipv4": `10400 allow-related ${shopWeb} && ip4.src == {$networks<10.0.0.0/8, 192.168.0.0/16>.4, $pods<shop{}/{app=db}>.4}`,
      "ingress.0.ipv6": `10400 allow-related ${shopWeb} && ip6.src == $pods<shop{}/{app=db}>.6`,
    });
  });

  it("resolves a named port by the pods that are asked: the subject's of ingress", () => {
    expect(aclsOf(policy({ rules: [rule({ ports: [http] })] }))).toEqual({
      "ingress.0.tcp-http-80": "10400 allow-related outport == @<shop{}/{#tcp/http=80, app=web}> && tcp.dst == 80",
      "ingress.0.tcp-http-8080":
        "10400 allow-related outport == @<shop{}/{#tcp/http=8080, app=web}> && tcp.dst == 8080",
    });
  });

  it("and the peers' of egress, of whom only pods have names for ports", () => {
    const outside = { kind: "networks", block: { cidr: "10.0.0.0/8", except: [] } } as const;
    const named = policy({ rules: [rule({ direction: "egress", peers: [pods(db), outside], ports: [http] })] });
    expect(Object.keys(aclsOf(named))).toEqual([
      "egress.0.ipv4-tcp-http-80",
      "egress.0.ipv6-tcp-http-80",
      "egress.0.ipv4-tcp-http-8080",
      "egress.0.ipv6-tcp-http-8080",
    ]);
    expect(aclsOf(named)["egress.0.ipv4-tcp-http-80"]).toBe(
      "10400 allow-related inport == @<shop{}/{app=web}> && ip4.dst == $pods<shop{}/{#tcp/http=80, app=db}>.4 && tcp.dst == 80",
    );
  });

  it("matches nothing where a rule has no peer or no port left", () => {
    const nothing = [rule({ peers: [] }), rule({ index: 1, ports: [] })];
    expect(aclsOf(policy({ rules: nothing }))).toEqual({});
    expect(policyBundle(policy({ rules: nothing, subject: undefined }), {} as PolicyContext)).toBeUndefined();
  });

  it("of a namespace that logs says its name in each line, of what it allows and of what it isolates", () => {
    const logged = { allow: ["shop"], deny: ["shop"] };
    expect(aclsOf(policy({ rules: [rule({ ports: [tcp(80)] })] }), { logged })).toEqual({
      "ingress.isolation.all": `10301 drop ${shopWeb} && ip as NP/shop/web:ingress:isolation`,
      "ingress.0.tcp": `10400 allow-related ${shopWeb} && tcp.dst == 80 as NP/shop/web:ingress:0.tcp`,
    });
  });
});

describe("an AdminNetworkPolicy", () => {
  it("decides above all NetworkPolicies, and is logged for namespaces that log by ACLs of its own", () => {
    const deny = admin({ rules: [rule({ action: "deny", peers: [pods(bank)] })] });
    const network = networkOf({ clusterCidr: "10.244.0.0/16" });
    expect(aclsOf(deny, { logged: { allow: [], deny: ["shop"] }, network })).toEqual({
      "ingress.0.ipv4": "32498 drop outport == @<{}/{}> && ip4.src == $pods<bank{}/{}>.4",
      "ingress.0.ipv4.logged":
        "32499 drop outport == @<{kubernetes.io/metadata.name=shop}/{}> && ip4.src == $pods<bank{}/{}>.4 as ANP/a:ingress:0.ipv4",
    });
  });

  it("is not logged for namespaces that it can't select", () => {
    const deny = admin({ subject: bank, rules: [rule({ action: "deny" })] });
    expect(Object.keys(aclsOf(deny, { logged: { allow: [], deny: ["shop"] } }))).toEqual(["ingress.0.all"]);
  });
});

describe("a Pass", () => {
  const network = networkOf({ clusterCidr: "10.244.0.0/16" });
  const pass = admin({
    rules: [rule({ action: "pass", peers: [pods(bank)] }), rule({ index: 1, action: "deny" })],
  });
  const fromPods = "ip4.src == $pods<bank{}/{}>.4";

  it("is an action where the schema has it", () => {
    const layout = policyLayout({ aclTiers: true, aclPass: true });
    expect(aclsOf(pass, { layout, network })).toEqual({
      "ingress.0.ipv4": `32498 pass outport == @<{}/{}> && ${fromPods}`,
      "ingress.1.all": "32496 drop outport == @<{}/{}> && ip",
    });
    expect(aclsOf(policy({ rules: [rule({})] }), { layout, network })).toEqual({
      "ingress.0.all": `10400 tier 1 allow-related ${shopWeb} && ip`,
    });
  });

  it("is compiled away else: what it matches and nobody decides gets through above the rules below it", () => {
    expect(aclsOf(pass, { network })).toEqual({
      "ingress.0.rest-ipv4": `32494 allow-related outport == @<{}/{}> && ${fromPods}`,
      "ingress.1.all": "32492 drop outport == @<{}/{}> && ip",
    });
  });

  it("and what NetworkPolicies say of it stands there again", () => {
    const allow = policy({ rules: [rule({ peers: [pods(bank), pods(db)], ports: [tcp(80)] })] });
    expect(aclsOf(allow, { among: [pass], network })).toEqual({
      "ingress.isolation.ipv4@AdminNetworkPolicy/a:0": `32496 drop ${shopWeb} && ${fromPods}`,
      "ingress.0.ipv4-tcp": `10400 allow-related ${shopWeb} && ip4.src == {$pods<bank{}/{}>.4, $pods<shop{}/{app=db}>.4} && tcp.dst == 80`,
      "ingress.0.ipv4-tcp@AdminNetworkPolicy/a:0": `32498 allow-related ${shopWeb} && ${fromPods} && tcp.dst == 80`,
    });
  });

  it("and the Baseline tier's rules, one above the other", () => {
    const baseline = admin({
      kind: "BaselineAdminNetworkPolicy",
      key: "default",
      tier: "Baseline",
      rules: [rule({ ports: [tcp(80)] }), rule({ index: 1, action: "deny" })],
    });
    expect(aclsOf(baseline, { among: [pass], network })).toEqual({
      "ingress.0.tcp": "10298 allow-related outport == @<{}/{}> && tcp.dst == 80",
      "ingress.0.ipv4-tcp@AdminNetworkPolicy/a:0": `32494 allow-related outport == @<{}/{}> && ${fromPods} && tcp.dst == 80`,
      "ingress.1.all": "10296 drop outport == @<{}/{}> && ip",
      "ingress.1.ipv4@AdminNetworkPolicy/a:0": `32492 drop outport == @<{}/{}> && ${fromPods}`,
    });
    expect(aclsOf(pass, { among: [baseline], network })["ingress.0.rest-ipv4"]).toContain("32490 ");
  });

  it("concerns no policy whose subject it can't select, and no direction but its own", () => {
    const elsewhere = admin({ ...pass, subject: bank });
    const allow = policy({ rules: [rule({ direction: "egress" })], isolates: ["ingress", "egress"] });
    expect(Object.keys(aclsOf(allow, { among: [elsewhere], network }))).toEqual(["egress.0.all"]);
    expect(Object.keys(aclsOf(allow, { among: [pass], network }))).toEqual([
      "ingress.isolation.ipv4@AdminNetworkPolicy/a:0",
      "egress.0.all",
    ]);
  });

  it("by networks leaves pods that are in them, by both sets where only some of the cluster is", () => {
    const block = (cidr: string) => ({ kind: "networks", block: { cidr, except: [] } }) as const;
    const passing = (cidr: string) =>
      admin({ rules: [rule({ action: "pass", peers: [block(cidr)] }), rule({ index: 1, action: "deny" })] });
    const again = (cidr: string) =>
      aclsOf(policy({ isolates: [], rules: [rule({ peers: [pods(db)] })] }), { among: [passing(cidr)], network })[
        "ingress.0.ipv4@AdminNetworkPolicy/a:0"
      ];
    expect(again("10.0.0.0/8")).toBe(`32498 allow-related ${shopWeb} && ip4.src == $pods<shop{}/{app=db}>.4`);
    expect(again("10.244.1.0/24")).toBe(
      `32498 allow-related ${shopWeb} && ip4.src == $pods<shop{}/{app=db}>.4 && ip4.src == $networks<10.244.1.0/24>.4`,
    );
    expect(again("192.168.0.0/16")).toBeUndefined();
  });

  it("by pods takes of a rule's networks what lies in the pods' network, and not more parts of it than all can bear", () => {
    const singles = (count: number) =>
      Array.from({ length: count }, (_, at) => {
        const cidr = `10.244.${at >> 6}.${(at % 64) * 4}/32`;
        return { kind: "networks", block: { cidr, except: [] } } as const;
      });
    const outside = { kind: "networks", block: { cidr: "192.0.2.0/24", except: [] } } as const;
    const byPods = admin({ rules: [rule({ action: "pass", peers: [pods(db)] }), rule({ index: 1, action: "deny" })] });
    const again = "ingress.0.ipv4@AdminNetworkPolicy/a:0";
    const opened = (count: number) => {
      const told: string[] = [];
      const peers = [...singles(count), outside];
      const acls = aclsOf(policy({ isolates: [], rules: [rule({ peers })] }), { among: [byPods], network, told });
      expect(acls["ingress.0.ipv4"]).toContain("192.0.2.0/24");
      return { acl: acls[again], told };
    };
    const names = `ip4.src == $pods<shop{}/{app=db}>.4 && ip4.src == $networks<10.244.0.0/32, 10.244.0.4/32>.4`;
    expect(opened(2)).toEqual({ acl: `32498 allow-related ${shopWeb} && ${names}`, told: [] });
    expect(opened(100).acl).toContain(names.slice(0, 60));
    expect(opened(101)).toEqual({ acl: undefined, told: ["POLICY_NETWORKS_EXCEEDED"] });

    const baseline = admin({
      kind: "ClusterNetworkPolicy",
      key: "b",
      tier: "Baseline",
      rules: [rule({ action: "deny", peers: singles(101) })],
    });
    expect(aclsOf(baseline, { among: [byPods], network })[again]).toBe(
      "32494 drop outport == @<{}/{}> && ip4.src == $pods<shop{}/{app=db}>.4",
    );
  });
});

describe("more policies than there are priorities", () => {
  it("leave the last ones with one ACL, which drops all", () => {
    const many = Array.from({ length: 100 }, (_, index) => rule({ index, action: index % 2 === 0 ? "allow" : "deny" }));
    const among = Array.from({ length: 120 }, (_, index) => admin({ key: `a${index}`, priority: index, rules: many }));
    const last = admin({ key: "last", priority: 999, subject: web, rules: many });
    expect(aclsOf(last, { among })).toEqual({ "ingress.overflow.all": `10476 drop ${shopWeb} && ip` });
  });

  it("of the Baseline tier drop above each Pass too", () => {
    const many = Array.from({ length: 100 }, (_, index) => rule({ index, action: index % 2 === 0 ? "allow" : "deny" }));
    const baseline = (key: string, priority: number) =>
      admin({ kind: "ClusterNetworkPolicy", tier: "Baseline", key, priority, subject: web, rules: many });
    const pass = admin({ rules: [rule({ action: "pass" }), rule({ index: 1, action: "deny" })] });
    const among = [pass, ...Array.from({ length: 51 }, (_, at) => baseline(`b${at}`, at))];
    const rest = rankPolicies([...among, baseline("last", 999)], bands).passes("ingress")[0]?.rest ?? 0;
    expect(aclsOf(baseline("last", 999), { among })).toEqual({
      "ingress.overflow.all": `10 drop ${shopWeb} && ip`,
      "ingress.overflow.all@AdminNetworkPolicy/a:0": `${rest + 2} drop ${shopWeb} && ip`,
    });
    // Nothing else is at this level: what comes before it is above, and what nobody decided below.
    const first = Object.values(aclsOf(baseline("b0", 0), { among: [...among, baseline("last", 999)] }));
    expect(first.map((acl) => Number.parseInt(acl, 10))).not.toContain(rest + 2);
  });
});

describe("names of ports and numbers beside each other, in a rule and in a Pass", () => {
  it("are told apart, so that each ACL has a place of its own", () => {
    const ports = [tcp(80), http];
    const block = { kind: "networks", block: { cidr: "10.244.1.0/24", except: [] } } as const;
    const one = policy({
      isolates: ["egress"],
      rules: [rule({ direction: "egress", peers: [block, pods(db)], ports })],
    });
    const pass = admin({
      rules: [
        rule({ direction: "egress", action: "pass", peers: [pods(bank), pods(everyPod)], ports }),
        rule({ direction: "egress", index: 1, action: "deny" }),
      ],
    });
    const ranks = rankPolicies([pass], bands);
    const podNetworks = podNetworksOf(dualStack);
    const context = { sets, layout: bands, network: dualStack, podNetworks, ranks, logged: silent };
    const rows = policyBundle(one, { ...context, complain: () => undefined })?.rows ?? [];
    expect(new Set(rows.map(({ uuid }) => uuid)).size).toBe(rows.length);
    expect(rows.map(({ owner }) => aclOrigin(owner)?.piece)).toEqual(
      expect.arrayContaining(["ipv4-tcp-http-80", "ipv4-tcp-+http-80", "ipv4-tcp-http-80+http-80"]),
    );
  });
});

describe("a named port to which pods give more numbers than all can bear", () => {
  const numbers = [80, 8080];
  const crowded: PolicySets = { ...sets, portNumbers: () => ({ numbers, complete: false }) };
  const network = networkOf({ clusterCidr: "10.244.0.0/16" });
  const others = "{}/{#tcp/http, #tcp/http notin (80,8080)}";
  const named = (action: PolicyRule["action"], part: Partial<PolicyRule> = {}) =>
    rule({ action, ports: [http, tcp(443)], ...part });

  it("allows at those that are most frequent", () => {
    const told: string[] = [];
    const acls = aclsOf(policy({ isolates: [], rules: [named("allow")] }), { sets: crowded, network, told });
    expect(Object.keys(acls)).toEqual(["ingress.0.tcp", "ingress.0.tcp-http-80", "ingress.0.tcp-http-8080"]);
    expect(told).toEqual(["POLICY_PORT_NUMBERS_EXCEEDED"]);
  });

  it("denies the others' whole protocol", () => {
    const acls = aclsOf(admin({ rules: [named("deny")] }), { sets: crowded, network });
    expect(acls["ingress.0.tcp-http-other"]).toBe(`32498 drop outport == @<${others}> && tcp`);
    expect(Object.keys(acls)).toHaveLength(4);
  });

  it("denies it above all that a Pass leaves, with tiers and without", () => {
    const pass = admin({ rules: [named("pass"), rule({ index: 1, action: "deny" })] });
    const among = [pass];
    const given = { sets: crowded, network };
    const bandsAcls = aclsOf(pass, given);
    expect(bandsAcls["ingress.0.tcp-http-other"]).toBe(`32499 drop outport == @<${others}> && tcp`);
    const allowed = aclsOf(policy({ isolates: [], rules: [rule({})] }), { ...given, among });
    expect(Object.keys(allowed).filter((part) => part.includes("http"))).toHaveLength(2);
    for (const acl of Object.values(allowed)) expect(acl).not.toContain("32499");
    const layout = policyLayout({ aclTiers: true, aclPass: true });
    expect(aclsOf(pass, { ...given, layout })["ingress.0.tcp-http-other"]).toContain("32499 drop");
  });

  it("is counted over all peers of egress", () => {
    const each: PolicySets = {
      ...sets,
      portNumbers: ({ text }) => ({
        numbers: text === db.text ? Array.from({ length: 64 }, (_, at) => 1000 + at) : [80],
        complete: true,
      }),
    };
    const peers = [pods(db), pods(bank)];
    const deny = rule({ direction: "egress", action: "deny", peers, ports: [http] });
    const acls = aclsOf(admin({ rules: [deny] }), { sets: each, network });
    expect(Object.keys(acls)).toHaveLength(65);
    expect(acls["egress.0.ipv4-tcp-http-other"]).toContain("drop");
    expect(acls["egress.0.ipv4-tcp-http-other"]).toContain("$pods<shop{}/{#tcp/http,");
  });
});
