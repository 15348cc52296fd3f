import { describe, expect, it } from "vitest";
import { createIpam } from "../ipam/ipam.ts";
import { parseNetworkConfig } from "../ipam/network-config.ts";
import { projectAdminNetworkPolicy } from "../state/admin-network-policy.ts";
import { projectNamespace } from "../state/namespace.ts";
import { projectNetworkPolicy } from "../state/network-policy.ts";
import { projectNode } from "../state/node.ts";
import type { ObjectProblem } from "../state/object-problem.ts";
import { projectPod } from "../state/pod.ts";
import { policyId } from "../state/policy.ts";
import type { Bundle } from "../translate/desired.ts";
import { ownerText } from "../translate/owner.ts";
import { isolatedGroups, subjectsGroup } from "../translate/policy-groups.ts";
import { createGraph, type Graph } from "./graph.ts";

interface Town {
  readonly graph: Graph;
  pod(name: string, labels: Readonly<Record<string, string>>, options?: { uid?: string; ports?: object[] }): void;
  removePod(name: string): void;
  namespace(labels: Readonly<Record<string, string>>, annotations?: Readonly<Record<string, string>>): void;
  policy(name: string, spec: object): void;
  admin(name: string, priority: number, spec: object): void;
  removePolicy(id: string): void;
  /** The owners of what a flush returns, with the text that a selector's rows bear; what goes with a minus. */
  flush(): string[];
}

function unexpected({ message }: ObjectProblem): never {
  throw new Error(message);
}

function town(restored: readonly string[] = [], report: (problem: ObjectProblem) => void = unexpected): Town {
  const parsed = parseNetworkConfig({ clusterCidr: "10.244.0.0/16", nodePrefix: "24" });
  if (parsed.kind !== "valid") throw new Error(JSON.stringify(parsed));
  const graph = createGraph({
    network: parsed.network,
    ipam: createIpam(parsed.network),
    report,
    previousPolicies: () => restored,
  });
  const known = new Map<string, Bundle>();
  const texts = new Map<string, string>();
  const node = projectNode({
    metadata: { name: "n", uid: "n" },
    status: { addresses: [{ type: "InternalIP", address: "172.18.0.2" }] },
  });
  graph.apply({ kind: "node", change: "upsert", key: "n", object: node });
  return {
    graph,
    pod(name, labels, { uid = name, ports = [] } = {}) {
      const object = projectPod({
        metadata: { namespace: "shop", name, uid, labels },
        spec: { nodeName: "n", containers: [{ ports }] },
      });
      graph.apply({ kind: "pod", change: "upsert", key: `shop/${name}`, object });
    },
    removePod: (name) => graph.apply({ kind: "pod", change: "delete", key: `shop/${name}` }),
    namespace(labels, annotations = {}) {
      const object = projectNamespace({ metadata: { name: "shop", labels, annotations } });
      graph.apply({ kind: "namespace", change: "upsert", key: "shop", object });
    },
    policy(name, spec) {
      const object = projectNetworkPolicy({ metadata: { namespace: "shop", name }, spec });
      graph.apply({ kind: "policy", change: "upsert", key: policyId(object), object });
    },
    admin(name, priority, spec) {
      const object = projectAdminNetworkPolicy({ metadata: { name }, spec: { priority, ...spec } });
      graph.apply({ kind: "policy", change: "upsert", key: policyId(object), object });
    },
    removePolicy: (id) => graph.apply({ kind: "policy", change: "delete", key: id }),
    flush: () =>
      graph.flush().map(({ owner, bundle }) => {
        const id = ownerText(owner);
        for (const { columns } of bundle?.rows ?? []) {
          const text = (columns.external_ids as Readonly<Record<string, string>> | undefined)?.["ovenbird.io/selects"];
          if (text !== undefined) texts.set(id, text);
        }
        const isLess = (known.get(id)?.rows.length ?? 0) > (bundle?.rows.length ?? 0);
        if (bundle === undefined) known.delete(id);
        else known.set(id, bundle);
        return `${bundle === undefined ? "-" : isLess ? "<" : ""}${texts.get(id) ?? id}`;
      }),
  };
}

const app = (name: string) => ({ podSelector: { matchLabels: { app: name } } });
const shut = (name: string) => ({ ...app(name), policyTypes: ["Ingress"] });
const opened = (to: string, from: string) => ({ ...app(to), ingress: [{ from: [app(from)] }] });
const denied = (name: string, from: string) => ({
  subject: { pods: { namespaceSelector: {}, ...app(name) } },
  ingress: [{ action: "Deny", from: [{ pods: { namespaceSelector: {}, ...app(from) } }] }],
});

/** What a pod is a member of, beside its switch, in words. */
function places({ graph }: Town, pod: string): string[] {
  const names = new Map<string, string>([
    [isolatedGroups.ingress.uuid, "isolated.ingress"],
    [isolatedGroups.egress.uuid, "isolated.egress"],
    [subjectsGroup.uuid, "subjects"],
  ]);
  const memberships = graph.bundleOf(`Pod/shop/${pod}`)?.memberships ?? [];
  return memberships.slice(1).map(({ row, table }) => names.get(row) ?? table);
}

describe("what a flush returns of policies", () => {
  it("has sets first, then the pods that are there, then policies, and new pods last", () => {
    const { pod, policy, flush } = town();
    pod("web", { app: "web" });
    flush();
    policy("open", opened("web", "api"));
    pod("api", { app: "api" });
    const all = flush();
    expect(all).toEqual([
      "shop{}/{app=web}",
      "shop{}/{app=api}",
      "Pod/shop/web",
      "NetworkPolicy/shop/open",
      "Pod/shop/api",
    ]);
  });

  it("keeps a pod in what isolates it until what shuts it instead is there", () => {
    const one = town();
    one.pod("web", { app: "web" });
    one.policy("shut", shut("web"));
    one.flush();
    expect(places(one, "web")).toContain("isolated.ingress");
    one.removePolicy("NetworkPolicy/shop/shut");
    one.admin("deny", 1, denied("web", "api"));
    const changes = one.graph.flush();
    const owners = changes.map(({ owner }) => ownerText(owner));
    const [first, last] = [owners.indexOf("Pod/shop/web"), owners.lastIndexOf("Pod/shop/web")];
    const policy = owners.indexOf("AdminNetworkPolicy/deny");
    expect(first).toBeLessThan(policy);
    expect(policy).toBeLessThan(last);
    const isIn = (position: number) =>
      changes[position]?.bundle?.memberships.some(({ row }) => row === isolatedGroups.ingress.uuid);
    expect([isIn(first), isIn(last)]).toEqual([true, false]);
  });

  it("lets a policy that turns to other pods find them in their group, and the former group go last", () => {
    const one = town();
    one.pod("web", { app: "web", tier: "front" });
    one.policy("open", opened("web", "api"));
    one.flush();
    one.policy("open", { podSelector: { matchLabels: { tier: "front" } }, ingress: [{ from: [app("api")] }] });
    expect(one.flush()).toEqual([
      "shop{}/{tier=front}",
      "Pod/shop/web",
      "NetworkPolicy/shop/open",
      "-shop{}/{app=web}",
    ]);
  });

  it("takes only the part of a selector's rows away that nobody uses, after all else", () => {
    const one = town();
    one.policy("open", opened("web", "web"));
    one.flush();
    one.policy("open", opened("web", "api"));
    expect(one.flush()).toEqual(["shop{}/{app=api}", "NetworkPolicy/shop/open", "<shop{}/{app=web}"]);
  });

  it("has only the pod whose labels changed, and a new pod of the same name only after policies", () => {
    const one = town();
    one.policy("open", opened("web", "api"));
    one.pod("a", { app: "web" });
    one.pod("b", { app: "api" });
    one.flush();
    one.pod("a", { app: "api" });
    expect(one.flush()).toEqual(["Pod/shop/a"]);
    one.policy("more", opened("api", "db"));
    one.pod("a", { app: "api" }, { uid: "another" });
    expect(one.flush().slice(-2)).toEqual(["NetworkPolicy/shop/more", "Pod/shop/a"]);
  });

  it("adds a policy over selectors in use as nothing but its own bundle", () => {
    const one = town();
    one.policy("open", opened("web", "api"));
    one.pod("a", { app: "web" });
    one.pod("b", { app: "api" });
    one.flush();
    one.policy("again", opened("web", "api"));
    expect(one.flush()).toEqual(["NetworkPolicy/shop/again"]);
  });

  it("makes a policy anew when a port that it names has another number, and not for another pod with the same", () => {
    const one = town();
    one.policy("named", { ...app("web"), ingress: [{ ports: [{ port: "http" }] }] });
    const http = (containerPort: number) => ({ ports: [{ name: "http", containerPort }] });
    one.pod("a", { app: "web" }, http(8080));
    one.flush();
    one.pod("b", { app: "web" }, http(8080));
    expect(one.flush()).toEqual(["Pod/shop/b"]);
    one.pod("c", { app: "web" }, http(9090));
    expect(one.flush()).toEqual(["shop{}/{#tcp/http=9090, app=web}", "NetworkPolicy/shop/named", "Pod/shop/c"]);
    one.removePod("c");
    expect(one.flush()).toEqual(["-Pod/shop/c", "<NetworkPolicy/shop/named", "-shop{}/{#tcp/http=9090, app=web}"]);
  });

  it("moves all pods of a namespace whose labels changed, and writes nothing when they are as before", () => {
    const one = town();
    one.namespace({ team: "red" });
    one.policy("open", {
      ...app("web"),
      ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: "red" } } }] }],
    });
    one.pod("a", { app: "web" });
    one.pod("b", { app: "db" });
    one.flush();
    one.namespace({ team: "blue" });
    expect(one.flush()).toEqual(["Pod/shop/a", "Pod/shop/b"]);
    one.namespace({ team: "red" });
    one.namespace({ team: "blue" });
    expect(one.flush()).toEqual([]);
  });

  it("changes policies together that a Pass ranks anew, those that go among them", () => {
    const one = town();
    one.policy("shut", shut("web"));
    one.flush();
    const pass = denied("web", "api");
    one.admin("pass", 1, { ...pass, ingress: [{ ...pass.ingress[0], action: "Pass" }, ...pass.ingress] });
    const together = () =>
      one.graph.flush().flatMap(({ owner, together: isIt, bundle }) => {
        const sign = bundle === undefined ? "-" : "";
        return isIt === true ? [`${sign}${ownerText(owner)}`] : [];
      });
    expect(together()).toEqual(["AdminNetworkPolicy/pass", "NetworkPolicy/shop/shut"]);
    one.removePolicy("AdminNetworkPolicy/pass");
    expect(together().toSorted()).toEqual(["-AdminNetworkPolicy/pass", "-NetworkPolicy/shop/shut"]);
  });

  it("lets a policy go that went while nobody led", () => {
    expect(town(["NetworkPolicy/shop/gone"]).flush()).toContain("-NetworkPolicy/shop/gone");
  });
});

describe("numbers that pods give to a port", () => {
  it("are bounded: the most frequent ones count, and the policy's user is told once", () => {
    const told: string[] = [];
    const one = town([], ({ code, object: { key } }) => told.push(`${code} ${key}`));
    const serving = (name: string, number: number) =>
      one.pod(name, { app: "web", name }, { ports: [{ name: "http", containerPort: number }] });
    for (let number = 1; number <= 64; number++) serving(`w${number}`, number);
    one.policy("open", { ...app("web"), ingress: [{ ports: [{ port: "http" }] }] });
    const pieces = () =>
      one.graph.bundleOf("NetworkPolicy/shop/open")?.rows.map(({ owner }) => owner.slice(owner.lastIndexOf("-") + 1));
    one.flush();
    expect(pieces()).toHaveLength(64);
    expect(told).toEqual([]);
    serving("a", 8080);
    serving("b", 8080);
    serving("c", 9090);
    one.flush();
    expect(pieces()).toHaveLength(64);
    expect(pieces()).toEqual(expect.arrayContaining(["1", "63", "8080"]));
    one.flush();
    expect(told).toEqual(["POLICY_PORT_NUMBERS_EXCEEDED shop/open"]);
    expect(one.graph.model.shortcomingsOf("NetworkPolicy/shop/open")).toMatchObject([
      { code: "POLICY_PORT_NUMBERS_EXCEEDED" },
    ]);
    for (const name of ["b", "c", "w1", "w2"]) one.removePod(name);
    one.flush();
    expect(pieces()).toHaveLength(63);
    expect(one.graph.counts.problems).toBe(0);
  });
});
