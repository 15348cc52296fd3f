import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseNetworkConfig, projectNode } from "@ovenbird/controller";
import {
  type AddressPool,
  addressPools,
  createEventRecorder,
  createKubeClient,
  customResourceDefinitions,
  events,
  type KubeClient,
  type KubeObject,
  loadKubeConfig,
  nodes,
  reflect,
  services,
} from "@ovenbird/kube";
import { share } from "rxjs";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { parse } from "yaml";
import { type AddressPools, createAddressPools } from "../../controller/pools/address-pools.ts";
import { projectAddressPool } from "../../controller/state/address-pool.ts";
import { projectService } from "../../controller/state/service.ts";
import { type ServerUnderTest, startEmbeddedServer } from "../../lab/api/contract/server.ts";

const definition = join(import.meta.dirname, "..", "..", "deploy", "crds", "addresspools.yaml");
const parsed = parseNetworkConfig({ clusterCidr: "10.244.0.0/16,fd00:10:244::/48" });
if (parsed.kind !== "valid") throw new Error(JSON.stringify(parsed.problems));
const { network } = parsed;

interface Service extends KubeObject {
  readonly status: { readonly loadBalancer: { readonly ingress?: readonly { ip: string; ipMode: string }[] } };
}

describe("address pools in a cluster", () => {
  let server: ServerUnderTest;
  let client: KubeClient;
  let running: AddressPools | undefined;
  let writes = 0;

  beforeAll(async () => {
    server = await startEmbeddedServer();
    client = createKubeClient(loadKubeConfig({ path: server.kubeconfig }));
    await client.create(customResourceDefinitions, {}, parse(readFileSync(definition, "utf8")) as object);
    await vi.waitFor(() => client.list(addressPools), { timeout: 10_000, interval: 50 });
    await client.create(nodes, {}, { apiVersion: "v1", kind: "Node", metadata: { name: "a" } });
    const status = { addresses: [{ type: "InternalIP", address: "192.0.2.65" }] };
    await client.patch(nodes, { name: "a" }, { status }, { type: "merge", subresource: "status" });
  });
  afterAll(async () => {
    await stop();
    await client.close();
    await server.stop();
  });
  beforeEach(async () => {
    await stop();
    for (const { metadata } of (await client.list(services, { namespace: "default" })).items) {
      if (metadata?.name !== "kubernetes") await client.delete(services, target(metadata?.name ?? ""));
    }
    for (const { metadata } of (await client.list(addressPools)).items) {
      await client.delete(addressPools, { name: metadata?.name ?? "" });
    }
  });

  const target = (name: string) => ({ namespace: "default", name });

  /** As the controller does for a term of leadership. */
  function start(): void {
    writes = 0;
    running = createAddressPools({
      client: {
        patch: (...args) => {
          writes++;
          return client.patch(...(args as Parameters<KubeClient["patch"]>)) as never;
        },
      },
      recorder: createEventRecorder(client, { component: "test" }),
      network,
      services: reflect(client, services, { project: projectService }).pipe(share()),
      nodes: reflect(client, nodes, { project: projectNode }).pipe(share()),
      pools: reflect(client, addressPools, { project: projectAddressPool }),
    });
  }
  async function stop(): Promise<void> {
    await running?.close();
    running = undefined;
  }

  async function createPool(name: string, addresses: readonly string[]): Promise<void> {
    const { kind } = addressPools;
    await client.create(
      addressPools,
      {},
      { apiVersion: "ovenbird.io/v1alpha1", kind, metadata: { name }, spec: { addresses } },
    );
  }
  async function createService(name: string, spec: object = {}, annotations: object = {}): Promise<void> {
    const body = {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name, annotations },
      spec: { type: "LoadBalancer", ports: [{ port: 80 }], ...spec },
    };
    await client.create(services, { namespace: "default" }, body);
  }
  const ingressOf = async (name: string) => {
    const { status } = await client.get<Service>(services, target(name));
    return status.loadBalancer.ingress?.map(({ ip, ipMode }) => `${ip} ${ipMode}`) ?? [];
  };
  const eventually = <T>(read: () => Promise<T>, check: (value: T) => void) =>
    vi.waitFor(async () => check(await read()), { timeout: 15_000, interval: 50 });
  const becomes = (name: string, ...addresses: readonly string[]) =>
    eventually(
      () => ingressOf(name),
      (found) => expect(found).toEqual(addresses.map((address) => `${address} VIP`)),
    );
  const reasonsOf = async (name: string) =>
    (await client.list<KubeObject & { involvedObject: { name: string }; reason: string }>(events)).items
      .filter(({ involvedObject }) => involvedObject.name === name)
      .map(({ reason }) => reason);

  it("gives addresses, counts them, and frees what is deleted for who waits", async () => {
    await createPool("public", ["192.0.2.64-192.0.2.66"]);
    start();
    await createService("one");
    await becomes("one", "192.0.2.64");
    await createService("two");
    // 192.0.2.65 is the node's.
    await becomes("two", "192.0.2.66");
    await createService("three");
    await eventually(
      () => reasonsOf("three"),
      (reasons) => expect(reasons).toContain("PoolExhausted"),
    );
    await eventually(
      () => client.get<AddressPool & KubeObject>(addressPools, { name: "public" }),
      ({ status }) => {
        expect(status).toMatchObject({ total: { ipv4: 2, ipv6: 0 }, assigned: { ipv4: 2, ipv6: 0 } });
        expect(status?.conditions?.map(({ type, status: value }) => `${type}=${value}`)).toEqual([
          "Ready=True",
          "RangesValid=False",
          "Overlapping=False",
        ]);
      },
    );
    await client.delete(services, target("one"));
    await becomes("three", "192.0.2.64");
  });

  it("writes nothing after a restart, and gives nobody what another has", async () => {
    await createPool("public", ["192.0.2.128/25", "2001:db8::/64"]);
    start();
    for (let at = 0; at < 5; at++) {
      await createService(`kept-${at}`, { ipFamilyPolicy: "PreferDualStack" });
      await eventually(
        () => ingressOf(`kept-${at}`),
        (found) => expect(found.length).toBeGreaterThan(0),
      );
    }
    const all = async () => (await Promise.all([0, 1, 2, 3, 4].map((at) => ingressOf(`kept-${at}`)))).flat();
    const before = await all();
    expect(new Set(before).size).toBe(before.length);
    await running?.idle();
    await eventually(
      () => client.get<AddressPool & KubeObject>(addressPools, { name: "public" }),
      ({ status }) => expect(status?.assigned?.ipv4).toBe(5),
    );
    await stop();
    await client.delete(services, target("kept-0"));
    start();
    await createService("new");
    await becomes("new", "192.0.2.128");
    await running?.idle();
    for (const at of [1, 2, 3, 4]) expect(before).toEqual(expect.arrayContaining(await ingressOf(`kept-${at}`)));
    // The new Service's status, and the pool's counts: again when an older state of the pool came back after the write.
    expect(writes).toBeLessThanOrEqual(4);
  });

  it("names all addresses in one Event that a Service has of no pool any more", async () => {
    await createPool("public", ["192.0.2.64/28", "2001:db8::/120"]);
    start();
    await createService("web", { ipFamilyPolicy: "RequireDualStack" });
    await becomes("web", "192.0.2.64", "2001:db8::");
    await client.patch(
      addressPools,
      { name: "public" },
      { spec: { addresses: ["198.51.100.0/28"] } },
      { type: "merge" },
    );
    await eventually(
      () => client.list<KubeObject & { reason: string; message: string }>(events),
      ({ items }) => {
        const left = items.filter(({ reason }) => reason === "PoolAddressLeft").map(({ message }) => message);
        expect(left).toEqual([expect.stringMatching(/^192\.0\.2\.64 is .*; 2001:db8:: is /)]);
      },
    );
  });

  it("follows what Services ask for, and clears the status of one that is no load balancer any more", async () => {
    await createPool("public", ["192.0.2.64/28"]);
    start();
    await createService("web", {}, { "ovenbird.io/load-balancer-addresses": "192.0.2.70" });
    await becomes("web", "192.0.2.70");
    const annotations = { "ovenbird.io/load-balancer-addresses": "192.0.2.71" };
    await client.patch(services, target("web"), { metadata: { annotations } }, { type: "merge" });
    await becomes("web", "192.0.2.71");
    await createService("other", { loadBalancerClass: "example.com/other" });
    await client.patch(services, target("web"), { spec: { type: "ClusterIP" } }, { type: "merge" });
    await becomes("web");
    await createService("next", {}, annotations);
    await becomes("next", "192.0.2.71");
    expect(await ingressOf("other")).toEqual([]);
  });

  it("mends a status that somebody else cleared, and lets a Service keep what its pool lost", async () => {
    await createPool("public", ["192.0.2.64/28"]);
    start();
    await createService("web");
    await becomes("web", "192.0.2.64");
    const nothing = { status: { loadBalancer: { ingress: null } } };
    await client.patch(services, target("web"), nothing, { type: "merge", subresource: "status" });
    await becomes("web", "192.0.2.64");
    await client.patch(addressPools, { name: "public" }, { spec: { addresses: ["192.0.2.80/28"] } }, { type: "merge" });
    await eventually(
      () => reasonsOf("web"),
      (reasons) => expect(reasons).toContain("PoolAddressLeft"),
    );
    await becomes("web", "192.0.2.64");
  });

  it("takes from wrong and overlapping pools what is right, and says the rest on them", async () => {
    await createPool("first", ["10.244.3.0/24", "nonsense", "192.0.2.64/30"]);
    await createPool("second", ["192.0.2.64/29"]);
    start();
    const conditions = async (name: string) =>
      (await client.get<AddressPool & KubeObject>(addressPools, { name })).status?.conditions?.map(
        ({ type, status }) => `${type}=${status}`,
      );
    await eventually(
      () => conditions("first"),
      (found) => expect(found).toEqual(["Ready=True", "RangesValid=False", "Overlapping=False"]),
    );
    await eventually(
      () => conditions("second"),
      (found) => expect(found).toContain("Overlapping=True"),
    );
    await createService("web");
    await becomes("web", "192.0.2.64");
    await eventually(
      () => reasonsOf("first"),
      (reasons) => expect(reasons).toEqual(expect.arrayContaining(["PoolRangeInvalid", "PoolRangeReserved"])),
    );
  });
});
