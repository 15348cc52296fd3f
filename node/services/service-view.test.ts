import { createKubeClient, type KubeClient } from "@ovenbird/kube";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { answerJson, statusOf } from "../../kube/testing/http-server.ts";
import { type ObjectServer, startObjectServer } from "../../kube/testing/object-server.ts";
import { createServiceView, poolOf, type ServiceView, type ViewChange } from "./index.ts";

let server: ObjectServer;
let client: KubeClient;
let view: ServiceView;
let warnings: string[];
let bursts: ReadonlySet<ViewChange>[];

const logger = { debug() {}, info() {}, warn: (_: object, message: string) => warnings.push(message) };

beforeEach(async () => {
  server = await startObjectServer();
  client = createKubeClient(server.connection());
  warnings = [];
  bursts = [];
});

afterEach(async () => {
  view.close();
  await client.close();
  await server.stop();
});

function follow(): void {
  view = createServiceView({ client, nodeName: "a", logger });
  view.onChange((changes) => bursts.push(changes));
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) {
    await new Promise<void>((resolve) => {
      const stop = view.onChange(() => {
        stop();
        resolve();
      });
    });
  }
}

const servicePath = (name: string) => `/api/v1/namespaces/shop/services/${name}`;
const slicePath = (name: string) => `/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices/${name}`;

function putService(name: string, spec: object, more: object = {}): void {
  const ports = [{ protocol: "TCP", port: 80, nodePort: 30_080 }];
  server.put(servicePath(name), {
    spec: { type: "NodePort", clusterIP: "10.96.0.10", ipFamilies: ["IPv4"], ports, ...spec },
    ...more,
  });
}

type Condition = "ready" | "ending" | "down";
const conditionsOf: Readonly<Record<Condition, object>> = {
  ready: { ready: true },
  ending: { ready: false, serving: true, terminating: true },
  down: { ready: false, serving: false },
};

function putSlice(
  name: string,
  service: string,
  endpoints: readonly (readonly [string, Condition])[],
  addressType = "IPv4",
) {
  server.put(slicePath(name), {
    metadata: { labels: { "kubernetes.io/service-name": service } },
    addressType,
    endpoints: endpoints.map(([nodeName, condition]) => ({ nodeName, conditions: conditionsOf[condition] })),
  });
}

describe("a node's view of Services", () => {
  it("holds those that are reached from outside the pods' network, and no others", async () => {
    putService("cluster", { type: "ClusterIP", ports: [{ port: 80 }] });
    putService("headless", { clusterIP: "None" });
    putService("named", { type: "ExternalName" });
    server.put(servicePath("theirs"), {
      metadata: { labels: { "service.kubernetes.io/service-proxy-name": "other" } },
      spec: { type: "NodePort", clusterIP: "10.96.0.11", ports: [{ port: 80, nodePort: 30_081 }] },
    });
    putService("port", {});
    putService("outside", {
      type: "ClusterIP",
      ports: [{ port: 53, protocol: "UDP" }],
      externalIPs: ["2001:DB8::0:1"],
    });
    follow();
    await until(() => view.synced);
    expect([...view.services.keys()].sort()).toEqual(["shop/outside", "shop/port"]);
    expect(view.services.get("shop/outside")).toMatchObject({
      externalIps: ["2001:db8::1"],
      ports: [{ protocol: "udp", port: 53 }],
    });
  });

  it("takes the ingress addresses of load balancers only, and of them those that packets arrive with", async () => {
    const status = { loadBalancer: { ingress: [{ ip: "203.0.113.1" }, { ip: "203.0.113.2", ipMode: "Proxy" }] } };
    putService("balanced", { type: "LoadBalancer" }, { status });
    putService("former", {}, { status });
    follow();
    await until(() => view.synced);
    expect(view.services.get("shop/balanced")?.ingressIps).toEqual(["203.0.113.1"]);
    expect(view.services.get("shop/former")?.ingressIps).toEqual([]);
  });

  it("counts the node's usable endpoints: the ready ones, and those that are ending while none is ready", async () => {
    putService("local", { type: "LoadBalancer", externalTrafficPolicy: "Local", healthCheckNodePort: 30_999 });
    putSlice("local-1", "local", [
      ["a", "ready"],
      ["a", "ending"],
      ["b", "ready"],
      ["c", "down"],
    ]);
    putSlice("local-2", "local", [["a", "ready"]], "IPv6");
    follow();
    await until(() => view.synced);
    const local = () => view.services.get("shop/local");
    expect(local()).toMatchObject({ localEndpoints: 1, localEndpointsOf: { ipv4: 1, ipv6: 1 } });
    expect([...(local()?.endpointNodes ?? [])].sort()).toEqual(["a", "b"]);
    putSlice("local-1", "local", [
      ["a", "ending"],
      ["a", "ending"],
    ]);
    await until(() => local()?.localEndpoints === 2);
    server.remove(slicePath("local-1"));
    server.remove(slicePath("local-2"));
    await until(() => local()?.localEndpoints === 0);
  });

  it("tells of a burst once, and nothing of endpoints that don't count here", async () => {
    putService("open", {});
    follow();
    await until(() => view.synced);
    bursts.length = 0;
    putSlice("open-1", "open", [["a", "ready"]]);
    server.put("/api/v1/nodes/a", { status: { addresses: [{ type: "InternalIP", address: "192.0.2.11" }] } });
    await until(() => view.nodes.size === 1);
    expect(bursts).toEqual([new Set(["nodes"])]);
    const before = view.services.get("shop/open");
    putService("open", { externalTrafficPolicy: "Local" });
    await until(() => view.services.get("shop/open") !== before);
    expect(view.services.get("shop/open")?.localEndpoints).toBe(1);
  });

  it("knows nodes by what their agents told of the gateway bridge", async () => {
    const gateway = {
      mac: "0a:00:00:00:00:01",
      addresses: ["192.0.2.12/24", "2001:DB8::12/64"],
      nextHops: [],
      physicalNetwork: "physnet",
    };
    const annotations = { "ovenbird.io/chassis": JSON.stringify({ systemId: "b", gateway }) };
    server.put("/api/v1/nodes/b", { metadata: { annotations, labels: { zone: "z" } } });
    follow();
    await until(() => view.synced);
    expect(view.nodes.get("b")).toEqual({
      name: "b",
      addresses: ["192.0.2.12", "2001:db8::12"],
      labels: { zone: "z" },
      hasGateway: true,
    });
  });

  it("finds the pool of an address by CIDR and by bounds", async () => {
    const put = (name: string, spec: object) => server.put(`/apis/ovenbird.io/v1alpha1/addresspools/${name}`, { spec });
    put("one", { addresses: ["203.0.113.16/28", "2001:db8:7::10-2001:db8:7::1f"] });
    put("two", { addresses: ["203.0.113.1 - 203.0.113.3", "nonsense"], announce: false });
    follow();
    await until(() => view.synced);
    const names = (addresses: readonly string[]) => addresses.map((address) => poolOf(view.pools, address)?.name);
    expect(names(["203.0.113.16", "203.0.113.31", "203.0.113.32"])).toEqual(["one", "one", undefined]);
    expect(names(["203.0.113.0", "203.0.113.1", "203.0.113.3"])).toEqual([undefined, "two", "two"]);
    expect(names(["2001:db8:7::1f", "2001:db8:7::20"])).toEqual(["one", undefined]);
    expect(view.pools.get("two")?.announce).toBe(false);
  });

  it("is complete without a word where the cluster has no pools", async () => {
    server.intercept(
      ({ url }) => url.pathname.endsWith("/addresspools"),
      (_, response) => answerJson(response, 404, statusOf(404, "NotFound", "no such resource")),
    );
    follow();
    await until(() => view.synced);
    expect(view.pools.size).toBe(0);
    expect(warnings).toEqual([]);
  });
});
