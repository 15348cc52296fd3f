import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createKubeClient, events, isKubeError, type KubeClient, loadKubeConfig, nodes, pods } from "@ovenbird/kube";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type ApiServer, startApiServer } from "../api/server.ts";
import { createProber, type Prober } from "../probe/index.ts";
import { tearDown } from "../supervisor/teardown.ts";
import { existingNamespaces } from "../topology/network.ts";
import { type Kubelet, startKubelet } from "./kubelet.ts";
import { readSandboxes } from "./sandbox-store.ts";

const labName = `k${process.pid}`;
let folder: string;
let api: ApiServer;
let client: KubeClient;
let prober: Prober;
let kubelet: Kubelet;
const cni = () => ({ conf: join(folder, "conf"), bin: join(folder, "bin") });
const callsFile = () => join(folder, "calls");

/** A plugin that writes down its commands, and answers ADD with addresses, or with an error while `broken` exists. */
function installPlugin(): void {
  const path = join(cni().bin, "fake");
  writeFileSync(
    path,
    `#!/bin/sh
cat >/dev/null
echo "$CNI_COMMAND $CNI_CONTAINERID" >>${callsFile()}
[ "$CNI_COMMAND" = ADD ] || exit 0
if [ -e ${folder}/broken ]; then printf '{"cniVersion":"1.0.0","code":11,"msg":"try again later"}'; exit 1; fi
printf '{"cniVersion":"1.0.0","ips":[{"address":"10.9.0.3/24"},{"address":"fd09::3/64"}]}'
`,
  );
  chmodSync(path, 0o755);
  const list = { cniVersion: "1.0.0", name: "net", plugins: [{ type: "fake" }] };
  writeFileSync(join(cni().conf, "10-fake.conflist"), JSON.stringify(list));
}
const calls = (command: string) =>
  (existsSync(callsFile()) ? readFileSync(callsFile(), "utf8") : "")
    .split("\n")
    .filter((line) => line.startsWith(command));

function start(): Kubelet {
  return startKubelet({
    client,
    labName,
    node: { name: "node1", addresses: ["172.18.0.11"] },
    namespace: "/proc/self/ns/net",
    cni: cni(),
    sandboxFolder: join(folder, "sandboxes"),
    logFolder: folder,
    prober,
    logger: pino({ level: "silent" }),
  });
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "kubelet-"));
  for (const name of ["conf", "bin", "sandboxes"]) mkdirSync(join(folder, name));
  api = await startApiServer({ stateFile: join(folder, "state"), listen: [{ host: "127.0.0.1", port: 0 }] });
  const kubeconfig = join(folder, "kubeconfig");
  const document = {
    ...{ apiVersion: "v1", kind: "Config", "current-context": "c" },
    clusters: [{ name: "c", cluster: { server: api.addresses[0] } }],
    contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
    users: [{ name: "u", user: {} }],
  };
  writeFileSync(kubeconfig, JSON.stringify(document));
  client = createKubeClient(loadKubeConfig({ path: kubeconfig }));
  prober = createProber();
  kubelet = start();
});

afterEach(async () => {
  await kubelet.close();
  prober.close();
  await client.close();
  await api.close();
  await tearDown({ name: labName, folder, spare: [process.pid] });
});

interface PodObject {
  readonly status?: { readonly phase?: string; readonly podIPs?: readonly { readonly ip: string }[] };
}

const wren = { namespace: "default", name: "wren" };
async function createPod(spec: object = {}): Promise<void> {
  const containers = [{ name: "c", image: "probe", ports: [{ containerPort: 80 }] }];
  const body = { apiVersion: "v1", kind: "Pod", metadata: wren, spec: { nodeName: "node1", containers, ...spec } };
  await client.create(pods, wren, body);
}
const untilRunning = () =>
  vi.waitFor(async () => {
    const pod = await client.get<PodObject>(pods, wren);
    expect(pod.status).toMatchObject({ phase: "Running", podIPs: [{ ip: "10.9.0.3" }, { ip: "fd09::3" }] });
  }, 10_000);
const untilGone = () =>
  vi.waitFor(async () => {
    const found = await client.get(pods, wren).catch((error: unknown) => error);
    expect(isKubeError(found) && found.code).toBe("NOT_FOUND");
  }, 10_000);

describe("the kubelet", () => {
  it("says that its node is ready once there is a network configuration", async () => {
    const ready = () =>
      client.get<{ status?: { conditions?: { type: string; status: string }[] } }>(nodes, { name: "node1" }).then(
        ({ status }) => status?.conditions?.find(({ type }) => type === "Ready")?.status,
        () => undefined,
      );
    await vi.waitFor(async () => expect(await ready()).toBe("False"), 5000);
    installPlugin();
    await vi.waitFor(async () => expect(await ready()).toBe("True"), 5000);
  });

  it("runs a pod by CNI ADD and takes it away by DEL, namespace and object", async () => {
    installPlugin();
    await createPod();
    await untilRunning();
    const [sandbox] = readSandboxes(join(folder, "sandboxes"));
    expect(existingNamespaces(labName)).toEqual([sandbox?.namespace]);
    expect(kubelet.namespaceOf("default/wren")).toBe(`/run/netns/${sandbox?.namespace}`);
    await client.delete(pods, wren, { gracePeriodSeconds: 1 });
    await untilGone();
    expect(calls("DEL")).toEqual([`DEL ${sandbox?.containerId}`]);
    expect(existingNamespaces(labName)).toEqual([]);
    expect(readdirSync(join(folder, "sandboxes"))).toEqual([]);
  });

  it("tries a failed ADD again with a new sandbox, after DEL, and says so in an Event", async () => {
    installPlugin();
    writeFileSync(join(folder, "broken"), "");
    await createPod();
    await vi.waitFor(() => expect(calls("ADD").length).toBeGreaterThan(1), 10_000);
    rmSync(join(folder, "broken"));
    await untilRunning();
    const added = calls("ADD").map((line) => line.split(" ")[1]);
    expect(new Set(added).size).toBe(added.length);
    expect(calls("DEL").map((line) => line.split(" ")[1])).toEqual(added.slice(0, -1));
    await vi.waitFor(async () => {
      const { items } = await client.list<{ reason?: string; message?: string }>(events, { namespace: "default" });
      expect(items.find(({ reason }) => reason === "FailedCreatePodSandBox")?.message).toContain("try again later");
    }, 10_000);
  });

  it("takes over running pods after a restart, and removes those that went meanwhile", async () => {
    installPlugin();
    await createPod();
    await untilRunning();
    await kubelet.close();
    prober.close();
    prober = createProber();
    kubelet = start();
    await vi.waitFor(() => expect(kubelet.namespaceOf("default/wren")).toBeDefined(), 5000);
    expect(calls("ADD")).toHaveLength(1);
    await kubelet.close();
    await client.delete(pods, wren, { gracePeriodSeconds: 0 });
    kubelet = start();
    await vi.waitFor(() => expect(existingNamespaces(labName)).toEqual([]), 5000);
    expect(calls("DEL")).toHaveLength(1);
  });

  it("has a pod ready when its readiness probes succeed, and no longer than that", async () => {
    installPlugin();
    const file = join(folder, "ready");
    const server = new URL(api.addresses[0] ?? "");
    const often = { periodSeconds: 1, failureThreshold: 1 };
    const containers = [
      { name: "file", image: "probe", readinessProbe: { exec: { command: ["test", "-e", file] }, ...often } },
      {
        ...{ name: "web", image: "probe", ports: [{ name: "api", containerPort: Number(server.port) }] },
        readinessProbe: { httpGet: { host: server.hostname, port: "api", path: "/version" }, ...often },
      },
    ];
    await createPod({ containers });
    const untilReadyIs = (status: string) =>
      vi.waitFor(async () => {
        const pod = await client.get<{ status?: { conditions?: { type: string; status: string }[] } }>(pods, wren);
        expect(pod.status?.conditions?.find(({ type }) => type === "Ready")?.status).toBe(status);
      }, 10_000);
    await untilRunning();
    await untilReadyIs("False");
    writeFileSync(file, "");
    await untilReadyIs("True");
    rmSync(file);
    await untilReadyIs("False");
    await vi.waitFor(async () => {
      const { items } = await client.list<{ reason?: string; message?: string }>(events, { namespace: "default" });
      expect(items.find(({ reason }) => reason === "Unhealthy")?.message).toContain("Readiness probe failed");
    }, 10_000);
  });

  it("lets a command end, reports how, and gives its network back", async () => {
    installPlugin();
    const containers = [{ name: "c", image: "exec", command: ["sh", "-c", "exit 3"] }];
    await createPod({ restartPolicy: "Never", containers });
    await vi.waitFor(async () => {
      expect((await client.get<PodObject>(pods, wren)).status?.phase).toBe("Failed");
      expect(existingNamespaces(labName)).toEqual([]);
    }, 10_000);
  });
});
