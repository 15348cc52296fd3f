import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createKubeClient, endpointSlices, type KubeClient, loadKubeConfig, pods, services } from "@ovenbird/kube";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type ApiServer, startApiServer } from "../api/server.ts";
import { save } from "../topology/kubeconfig.ts";
import { type EndpointController, startEndpointController } from "./controller.ts";
import { readSlice, type SliceRecord } from "./records.ts";

let folder: string;
let api: ApiServer;
let client: KubeClient;
let controller: EndpointController;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "endpoints-"));
  api = await startApiServer({ stateFile: join(folder, "state"), listen: [{ host: "127.0.0.1", port: 0 }] });
  const path = join(folder, "kubeconfig");
  await save(path, {
    ...{ apiVersion: "v1", kind: "Config", "current-context": "c" },
    clusters: [{ name: "c", cluster: { server: api.addresses[0] } }],
    contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
    users: [{ name: "u", user: {} }],
  });
  client = createKubeClient(loadKubeConfig({ path }));
  controller = startEndpointController(client, pino({ level: "silent" }));
});

afterEach(async () => {
  controller.close();
  await client.close();
  await api.close();
  rmSync(folder, { recursive: true });
});

const inDefault = { namespace: "default" };

async function createPod(number: number, ready = true): Promise<void> {
  const name = `wren-${number}`;
  await client.create(pods, inDefault, {
    ...{ apiVersion: "v1", kind: "Pod", metadata: { name, labels: { app: "song" } } },
    spec: {
      nodeName: "node1",
      containers: [{ name: "c", image: "probe", ports: [{ name: "http", containerPort: 8080 }] }],
    },
  });
  await setReady(number, ready);
}
async function setReady(number: number, ready: boolean): Promise<void> {
  const podIPs = [{ ip: `10.0.0.${number}` }, { ip: `fd00::${number}` }];
  const conditions = [{ type: "Ready", status: ready ? "True" : "False" }];
  const status = { phase: "Running", podIP: podIPs[0]?.ip, podIPs, conditions };
  const target = { ...inDefault, name: `wren-${number}` };
  await client.patch(pods, target, { status }, { type: "merge", subresource: "status" });
}
const createService = (spec: object = {}, name = "song") =>
  client.create(services, inDefault, {
    ...{ apiVersion: "v1", kind: "Service", metadata: { name } },
    spec: {
      selector: { app: "song" },
      ports: [{ port: 80, targetPort: "http" }],
      ipFamilyPolicy: "RequireDualStack",
      ...spec,
    },
  });
async function slices(service = "song"): Promise<SliceRecord[]> {
  const selection = { ...inDefault, labelSelector: `kubernetes.io/service-name=${service}` };
  return (await client.list(endpointSlices, selection)).items.map(readSlice);
}
/** Ready addresses, sorted. */
const until = (addresses: readonly string[]) =>
  vi.waitFor(async () => {
    const endpoints = (await slices()).flatMap((slice) => slice.endpoints);
    const ready = endpoints.filter(({ conditions }) => conditions.ready === true).flatMap((one) => one.addresses);
    expect(ready.sort()).toEqual([...addresses].sort());
  }, 5000);

describe("the endpoint controller", () => {
  it("follows pods as they come, cease to be ready, and go", async () => {
    await createService();
    await createPod(1);
    await createPod(2);
    await until(["10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2"]);
    await setReady(1, false);
    await until(["10.0.0.2", "fd00::2"]);
    await client.delete(pods, { ...inDefault, name: "wren-2" });
    await until([]);
    const conditions = (await slices()).flatMap((slice) => slice.endpoints.map((one) => one.conditions));
    expect(conditions).toContainEqual({ ready: false, serving: true, terminating: true });
    await client.delete(pods, { ...inDefault, name: "wren-2" }, { gracePeriodSeconds: 0 });
    await vi.waitFor(async () => expect((await slices()).map(({ endpoints }) => endpoints.length)).toEqual([1, 1]));
  });

  it("writes nothing when nothing of a service changes", async () => {
    await createService();
    await createPod(1);
    await until(["10.0.0.1", "fd00::1"]);
    const versions = async () => (await slices()).map(({ resourceVersion }) => resourceVersion).sort();
    const before = await versions();
    const annotation = { metadata: { annotations: { song: "loud" } } };
    await client.patch(pods, { ...inDefault, name: "wren-1" }, annotation, { type: "merge" });
    controller.close();
    controller = startEndpointController(client, pino({ level: "silent" }));
    await createService({}, "air");
    await vi.waitFor(async () => expect(await slices("air")).toHaveLength(2), 5000);
    expect(await versions()).toEqual(before);
  });

  it("lets the slices of a service go with it", async () => {
    await createService();
    await createPod(1);
    await until(["10.0.0.1", "fd00::1"]);
    await client.delete(services, { ...inDefault, name: "song" });
    await vi.waitFor(async () => expect(await slices()).toEqual([]), 5000);
  });
});
