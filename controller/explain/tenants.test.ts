import { describe, expect, it } from "vitest";
import type { TenancyView } from "../graph/tenancy-view.ts";
import { ExplainError } from "./explain-error.ts";
import { modelOfObjects, type SmallCluster } from "./model-of-objects.ts";
import { planOf } from "./plan.ts";
import { createExplainer, type WhyQuery } from "./why.ts";

const tenants: Readonly<Record<string, string>> = {
  "red/web": "red",
  "red/db": "red",
  "blue/web": "blue",
  "green/web": "green",
};

const own: Readonly<Record<string, string>> = {
  "red/web": "10.10.0.5",
  "red/db": "10.10.0.6",
  "blue/web": "10.10.0.5",
};

const tenancy: Partial<TenancyView> = {
  tenantOf: (pod) => tenants[pod] ?? "default",
  peersOf: (tenant) => ({ red: ["green"], green: ["red"] })[tenant] ?? [],
  servicesOf: (tenant) =>
    tenant === "red"
      ? [{ service: "kube-system/dns", family: 4, protocol: "udp", port: 5353, addresses: ["10.244.0.9"] }]
      : [],
  ownAddressesOf: (pod) => (own[pod] === undefined ? [] : [own[pod]]),
  podsAt: (address) => Object.keys(own).filter((pod) => own[pod] === address),
  egressOf: (pod) =>
    pod === "red/db" || pod === "red/web" ? { subnet: "red", mode: pod === "red/db" ? "None" : "Node" } : undefined,
};

const cluster: SmallCluster = {
  namespaces: { red: {}, blue: {}, green: {}, shop: {}, "kube-system": {} },
  pods: {
    "red/web": { addresses: ["100.81.0.2"], labels: { app: "web" }, node: "node1" },
    "red/db": { addresses: ["100.81.0.3"], labels: { app: "db" }, node: "node1" },
    "blue/web": { addresses: ["100.81.0.66"], labels: { app: "web" }, node: "node1" },
    "green/web": { addresses: ["100.81.0.130"], labels: { app: "web" }, node: "node1" },
    "shop/web": { addresses: ["10.244.0.5"], labels: { app: "web" }, node: "node1" },
    "kube-system/dns": { addresses: ["10.244.0.9"], labels: { app: "dns" }, node: "node1" },
  },
  nodes: { node1: { own: ["172.18.0.11"], management: ["10.244.0.2"] } },
  policies: [
    {
      kind: "NetworkPolicy",
      metadata: { namespace: "red", name: "web", uid: "web" },
      spec: { podSelector: { matchLabels: { app: "web" } }, ingress: [{ from: [{ podSelector: {} }] }] },
    },
    {
      kind: "NetworkPolicy",
      metadata: { namespace: "red", name: "block", uid: "block" },
      spec: {
        podSelector: { matchLabels: { app: "db" } },
        ingress: [{ from: [{ ipBlock: { cidr: "10.10.0.0/16" } }] }],
      },
    },
  ],
  tenancy,
};

function why(from: string, to: string, more: Partial<WhyQuery> = {}) {
  return createExplainer(modelOfObjects(cluster)).why({ from, to, port: "80", ...more }, { changes: true });
}

function codeOf(work: () => unknown): string {
  try {
    work();
    return "none";
  } catch (error) {
    return error instanceof ExplainError ? `${error.code}: ${error.message}` : String(error);
  }
}

describe("pods of tenants", () => {
  it("are kept from each other by their networks, whatever policies say, and no policy is blamed", () => {
    const { verdict, paths } = why("shop/web", "blue/web");
    expect(verdict).toBe("denied");
    expect(paths[0]).toMatchObject({
      network: { verdict: "denied", reason: "tenants", tenants: { from: "default", to: "blue" } },
      egress: { verdict: "allowed", by: "default" },
      ingress: { verdict: "allowed", by: "default" },
    });
    expect(why("blue/web", "red/web").paths[0]?.ingress).not.toHaveProperty("changes");
  });

  it("reach those of a peer, as far as policies let them", () => {
    expect(why("red/web", "green/web").paths[0]).toMatchObject({ verdict: "allowed", network: { reason: "peers" } });
    expect(why("green/web", "red/web").paths[0]).toMatchObject({
      verdict: "denied",
      network: { verdict: "allowed", reason: "peers" },
      ingress: { by: "isolation" },
    });
  });

  it("reach what serves a Service that their tenant may use, at its port alone", () => {
    const { paths } = why("red/web", "kube-system/dns", { port: undefined, protocol: "udp" });
    expect(paths.map(({ ports, verdict }) => [ports?.first, ports?.last, verdict])).toEqual([
      [0, 5352, "denied"],
      [5353, 5353, "allowed"],
      [5354, 65_535, "denied"],
    ]);
    expect(why("kube-system/dns", "red/web").verdict).toBe("denied");
  });

  it("reach nothing outside from a Subnet without a way out", () => {
    expect(why("red/db", "203.0.113.9").paths[0]).toMatchObject({
      verdict: "denied",
      network: { reason: "egress-none" },
    });
    expect(why("red/web", "203.0.113.9").verdict).toBe("allowed");
    expect(why("red/db", "node:node1").verdict).toBe("allowed");
  });

  it("are known to their tenant by own addresses, and judged by these", () => {
    const { paths } = why("red/web", "10.10.0.6");
    expect(paths[0]).toMatchObject({
      verdict: "allowed",
      from: { name: "red/web", address: "10.10.0.5" },
      to: { name: "red/db", address: "10.10.0.6" },
    });
    expect(why("red/web", "red/db").paths[0]).toMatchObject({ verdict: "denied", to: { address: "100.81.0.3" } });
    expect(why("blue/web", "10.10.0.6").paths[0]?.to).toMatchObject({ kind: "address" });
  });

  it("are asked for with their tenant where several have an address", () => {
    expect(codeOf(() => why("10.10.0.5", "shop/web"))).toBe(
      "AMBIGUOUS: 10.10.0.5 is the address of pod red/web in tenant red, pod blue/web in tenant blue: say which by its name, or 10.10.0.5@TENANT",
    );
    expect(why("10.10.0.5@blue", "10.10.0.5@red").paths[0]).toMatchObject({
      verdict: "denied",
      from: { name: "blue/web" },
      to: { name: "red/web" },
      network: { reason: "tenants" },
    });
    expect(why("red/db", "10.10.0.5").paths[0]?.to.name).toBe("red/web");
  });

  it("are reached by nodes at the addresses that all know", () => {
    expect(why("node:node1", "red/web").verdict).toBe("allowed");
    expect(why("node:node1", "10.10.0.6").paths[0]).toMatchObject({
      verdict: "denied",
      network: { reason: "tenants" },
    });
  });
});

describe("a plan", () => {
  it("speaks of those who can meet, and of nobody whom tenants keep apart", async () => {
    const policy = {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { namespace: "kube-system", name: "dns" },
      spec: { podSelector: {}, ingress: [] },
    };
    const { changes } = await planOf(modelOfObjects(cluster), { objects: [policy], delete: false });
    const senders = changes
      .filter(({ to }) => to.examples.includes("kube-system/dns"))
      .map(({ from }) => from.examples);
    // The default tenant's own pods, and red's, which may use what dns serves.
    expect(senders.flat().toSorted()).toEqual(["red/db", "red/web", "shop/web"]);
  });
});
