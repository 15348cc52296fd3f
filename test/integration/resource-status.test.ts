import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  createKubeClient,
  customResourceDefinitions,
  type KubeClient,
  type KubeObject,
  loadKubeConfig,
  providerNetworkFinalizer,
  providerNetworks,
  type ResourceCondition,
  reflect,
  subnetFinalizer,
  subnets,
  tenantFinalizer,
  tenants,
} from "@ovenbird/kube";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { parse } from "yaml";
import type { ResourceConditions } from "../../controller/graph/resource-conditions.ts";
import type { ObjectProblem } from "../../controller/state/object-problem.ts";
import { projectProviderNetwork } from "../../controller/state/provider-network.ts";
import { projectSubnet } from "../../controller/state/subnet.ts";
import { projectTenant } from "../../controller/state/tenant.ts";
import { createResourceStatus, type ResourceStatus } from "../../controller/status/resource-status.ts";
import { createContractClient } from "../../lab/api/contract/client.ts";
import { type ServerUnderTest, startEmbeddedServer } from "../../lab/api/contract/server.ts";

const folder = join(import.meta.dirname, "..", "..", "deploy", "crds");

interface Resource extends KubeObject {
  readonly status?: {
    readonly conditions?: readonly ResourceCondition[];
    readonly observedGeneration?: number;
    readonly used?: { readonly ipv4: number };
    readonly node?: string;
  };
}

describe("Ovenbird's own kinds", () => {
  let server: ServerUnderTest;
  let client: KubeClient;
  let running: ResourceStatus | undefined;
  /** What the graph says. */
  const said = new Map<string, ResourceConditions>();
  const told: ObjectProblem[] = [];
  let writes = 0;
  let isReady = true;

  beforeAll(async () => {
    server = await startEmbeddedServer();
    client = createKubeClient(loadKubeConfig({ path: server.kubeconfig }));
    for (const file of readdirSync(folder)) {
      await client.create(customResourceDefinitions, {}, parse(readFileSync(join(folder, file), "utf8")) as object);
    }
    await vi.waitFor(() => client.list(tenants), { timeout: 10_000, interval: 50 });
  });
  afterAll(async () => {
    await client.close();
    await server.stop();
  });
  beforeEach(() => {
    said.clear();
    told.length = 0;
    writes = 0;
    isReady = true;
  });
  afterEach(async () => {
    await running?.close();
    for (const resource of Object.values(resources)) {
      for (const { metadata } of (await client.list(resource)).items) {
        const target = { name: metadata?.name ?? "" };
        await client.patch(resource, target, { metadata: { finalizers: null } }, { type: "merge" });
        await client.delete(resource, target);
      }
    }
  });

  function start(): ResourceStatus {
    running = createResourceStatus({
      client: {
        patch: (...args) => {
          writes++;
          return client.patch(...(args as Parameters<KubeClient["patch"]>)) as never;
        },
      },
      resources: {
        Tenant: reflect(client, tenants, { project: projectTenant }),
        Subnet: reflect(client, subnets, { project: projectSubnet }),
        ProviderNetwork: reflect(client, providerNetworks, { project: projectProviderNetwork }),
      },
      conditions: (kind, key) => said.get(`${kind}/${key}`),
      isReady: () => isReady,
      onProblem: (problem) => told.push(problem),
      countPauseMs: 300,
    });
    return running;
  }

  const state = (over: Partial<ResourceConditions> = {}): ResourceConditions => ({
    ...{ isReady: true, problems: [], status: {}, isInUse: false },
    ...over,
  });
  const resources = { Tenant: tenants, Subnet: subnets, ProviderNetwork: providerNetworks };
  const make = (kind: keyof typeof resources, name: string, spec: object) =>
    client.create(resources[kind], {}, { apiVersion: "ovenbird.io/v1alpha1", kind, metadata: { name }, spec });
  const flat = { mode: "Cluster", cidrs: ["10.1.0.0/16"] };
  const becomes = (resource: typeof tenants, name: string, check: (object: Resource) => void) =>
    vi.waitFor(async () => check(await client.get<Resource>(resource, { name })), { timeout: 5_000, interval: 30 });
  const summary = ({ status }: Resource) =>
    status?.conditions?.map(({ type, status: value, reason }) => `${type}=${value} ${reason}`);

  it("says that all of it works, of which generation, and then is left alone", async () => {
    said.set("Tenant/shop", state({ status: { pods: 3 } }));
    await make("Tenant", "shop", { namespaces: { names: ["shop"] } });
    const status = start();
    await becomes(tenants, "shop", (object) => {
      expect(summary(object)).toEqual(["Ready=True Ready"]);
      expect(object.status).toMatchObject({ pods: 3, observedGeneration: 1 });
    });
    await new Promise((resolve) => setTimeout(resolve, 400));
    await status.idle();
    // The finalizer, and the status.
    expect(writes).toBe(2);
    expect(told).toEqual([]);
  });

  it("says what is wrong once, in words and as a reason, and keeps the time when it began", async () => {
    const problem = { code: "PEER_ONE_SIDED", message: "the tenant lab doesn't name this one" } as const;
    said.set("Tenant/shop", state({ problems: [problem] }));
    await make("Tenant", "shop", { peers: ["lab"] });
    start();
    let since = "";
    await becomes(tenants, "shop", (object) => {
      expect(summary(object)).toEqual(["Ready=True PeerOneSided"]);
      expect(object.status?.conditions?.[0]?.message).toBe(problem.message);
      since = object.status?.conditions?.[0]?.lastTransitionTime ?? "";
    });
    await client.patch(tenants, { name: "shop" }, { spec: { peers: ["lab", "more"] } }, { type: "merge" });
    await becomes(tenants, "shop", (object) => {
      expect(object.status?.observedGeneration).toBe(2);
      expect(object.status?.conditions?.[0]?.lastTransitionTime).toBe(since);
    });
    expect(told.map(({ code, object }) => `${code} ${object.kind}/${object.key}`)).toEqual([
      "PEER_ONE_SIDED Tenant/shop",
    ]);
  });

  it("says of a spec that can't be used what is wrong with it, also where the graph doesn't speak of it", async () => {
    await make("Subnet", "blue", { mode: "Cluster", cidrs: ["10.1.0.1/16"] });
    start();
    await becomes(subnets, "blue", (object) => {
      expect(summary(object)).toEqual(["Ready=False InvalidResource"]);
      expect(object.status?.conditions?.[0]?.message).toMatch(/the network is 10\.1\.0\.0\/16/);
    });
  });

  it.each([
    ["Tenant", tenants, tenantFinalizer, {}],
    ["Subnet", subnets, subnetFinalizer, flat],
    ["ProviderNetwork", providerNetworks, providerNetworkFinalizer, { uplinks: ["eth1"] }],
  ] as const)(
    "lets a %s go only when nobody has an address by it, and says that it waits",
    async (kind, resource, finalizer, spec) => {
      said.set(`${kind}/blue`, state({ isInUse: true }));
      await make(kind, "blue", spec);
      const status = start();
      await becomes(resource, "blue", ({ metadata }) => expect(metadata?.finalizers).toEqual([finalizer]));
      await client.delete(resource, { name: "blue" });
      await becomes(resource, "blue", (object) => {
        expect(object.metadata?.deletionTimestamp).toBeDefined();
        expect(summary(object)).toEqual(["Ready=True Ready", "InUse=True AddressesHeld"]);
      });
      said.set(`${kind}/blue`, state());
      status.changed(kind, "blue");
      await vi.waitFor(
        () => expect(client.get(resource, { name: "blue" })).rejects.toMatchObject({ code: "NOT_FOUND" }),
        {
          timeout: 5_000,
          interval: 50,
        },
      );
    },
  );

  it("writes numbers that change all the time once in a while, and the last of them for sure", async () => {
    said.set("Subnet/blue", state({ status: { used: { ipv4: 0, ipv6: 0 } } }));
    await make("Subnet", "blue", flat);
    const status = start();
    await becomes(subnets, "blue", ({ status: now }) => expect(now?.used?.ipv4).toBe(0));
    const before = writes;
    for (let used = 1; used <= 100; used++) {
      said.set("Subnet/blue", state({ status: { used: { ipv4: used, ipv6: 0 } } }));
      status.changed("Subnet", "blue");
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await becomes(subnets, "blue", ({ status: now }) => expect(now?.used?.ipv4).toBe(100));
    expect(writes - before).toBeLessThanOrEqual(4);
  });

  it("removes what is no more so, and leaves conditions of others", async () => {
    said.set("Tenant/shop", state({ status: { pods: 1 } }));
    await make("Tenant", "shop", {});
    const other = {
      type: "Audited",
      status: "True",
      reason: "Yes",
      message: "",
      lastTransitionTime: "2026-01-01T00:00:00Z",
    };
    await client.patch(
      tenants,
      { name: "shop" },
      { status: { conditions: [other] } },
      { type: "merge", subresource: "status" },
    );
    const status = start();
    await becomes(tenants, "shop", (object) =>
      expect(summary(object)).toEqual(["Audited=True Yes", "Ready=True Ready"]),
    );
    said.set("Tenant/shop", state({ status: { pods: undefined } }));
    status.changed("Tenant", "shop");
    await becomes(tenants, "shop", (object) => expect(object.status).not.toHaveProperty("pods"));
  });

  it("writes nothing before the graph knows all there is", async () => {
    isReady = false;
    said.set("Tenant/shop", state());
    await make("Tenant", "shop", {});
    const status = start();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(writes).toBe(0);
    isReady = true;
    status.begin();
    await becomes(tenants, "shop", (object) => expect(summary(object)).toEqual(["Ready=True Ready"]));
  });

  it("are refused by the API server where they contradict themselves", async () => {
    const refused = async (spec: object, message: RegExp) =>
      expect(make("Subnet", "bad", spec)).rejects.toThrow(message);
    await refused({ mode: "Underlay", cidrs: ["10.1.0.0/16"] }, /underlay is wanted with mode Underlay/);
    await refused({ ...flat, egress: { mode: "Address" } }, /addresses are wanted with mode Address/);
    await refused({ ...flat, nodePrefixLengths: [24] }, /nodePrefixLengths are for mode PerNode/);
    await refused({ ...flat, gateways: ["10.1.0.1", "fd00::1"] }, /gateways are one for each/);
    await refused({ ...flat, mode: "PerNode", statefulSets: "Keep" }, /pods keep no addresses in mode PerNode/);
    await refused({ mode: "Cluster", cidrs: ["ten"] }, /should match/);
    await expect(make("Tenant", "bad", { policyRoutes: [{ priority: 1, action: "Reroute" }] })).rejects.toThrow(
      /nextHops are wanted with Reroute/,
    );
  });

  it("can't be changed in what others stand on", async () => {
    await make("Subnet", "blue", flat);
    const change = (spec: object) => client.patch(subnets, { name: "blue" }, { spec }, { type: "merge" });
    await expect(change({ mode: "PerNode" })).rejects.toThrow(/the mode can't be changed/);
    await expect(change({ tenant: "shop" })).rejects.toThrow(/the tenant can't be changed/);
    await expect(change({ cidrs: ["10.1.0.0/17"] })).rejects.toThrow(
      /networks can be added for the other family, but not changed/,
    );
    await expect(change({ gateways: ["10.1.0.9"] })).rejects.toThrow(/gateways can't be added/);
    await change({ cidrs: ["10.1.0.0/16", "fd00:1::/64"], tenant: "default", excluded: ["10.1.0.9"] });
    await expect(change({ cidrs: ["10.1.0.0/16"] })).rejects.toThrow(/not changed or removed/);
  });

  it("have rules that the lab's API understands in full", async () => {
    for (const { metadata, status } of (await client.list<Resource>(customResourceDefinitions)).items) {
      const rules = status?.conditions?.find(({ type }) => type === "ValidationRulesEvaluated");
      expect(rules, metadata?.name).toBeUndefined();
    }
  });

  it("are explained and listed by kubectl", async () => {
    const api = createContractClient(server.kubeconfig);
    try {
      const explained = await api.kubectl(["explain", "subnet.spec.egress.mode"]);
      expect(explained.stderr).toBe("");
      expect(explained.stdout).toMatch(/Node: translated to the address of the pod's node/);
      await make("Subnet", "blue", flat);
      const { stdout } = await api.kubectl(["get", "subnets"]);
      expect(stdout.split("\n")[0]?.split(/ {2,}/).slice(0, 6)).toEqual([
        "NAME",
        "READY",
        "REASON",
        "TENANT",
        "MODE",
        "CIDRS",
      ]);
      expect(stdout).toMatch(/blue .* default +Cluster +\["10\.1\.0\.0\/16"\]/);
    } finally {
      api.close();
    }
  });
});
