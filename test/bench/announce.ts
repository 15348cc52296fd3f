import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import {
  createKubeClient,
  type KubeClient,
  loadKubeConfig,
  namespaces,
  nodes,
  podNetworkAnnotationKey,
  pods,
  reflect,
} from "../../kube/index.ts";
import { makeCertificates, startOvsdbServer } from "../../ovsdb-client-ts/testing/index.ts";

export interface AnnouncementFigures {
  readonly pods: number;
  readonly nodes: number;
  /** Pods from watch event to annotation, rows committed in between; from the first annotation to the last. */
  readonly podsPerSecond: number;
  /** The same API server, client and concurrency with nothing but PATCHes. */
  readonly rawPatchesPerSecond: number;
  readonly controllerRssBytes: number;
  readonly apiRssBytes: number;
}

const root = join(import.meta.dirname, "..", "..");
const inFlight = 64;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** Runs `action` for 0 … total − 1, so many at a time. */
async function each(total: number, action: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < total) await action(next++);
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
}

function start(program: string, args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [join(root, program), ...args], { stdio: ["ignore", "ignore", "inherit"] });
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  await once(child, "exit");
}

async function residentBytes(child: ChildProcess): Promise<number> {
  const status = await readFile(`/proc/${child.pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024;
}

async function untilServing(client: KubeClient): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const answer = await client.request({ method: "GET", path: "/readyz", timeoutMs: 1000 }).catch(() => undefined);
    if (answer?.status === 200) return;
    await delay(50);
  }
  throw new Error("the embedded API does not serve within 10 s");
}

async function fill(client: KubeClient, podCount: number, nodeCount: number): Promise<void> {
  const existing = await client.list(namespaces);
  if (!existing.items.some(({ metadata }) => metadata?.name === "default")) {
    await client.create(namespaces, {}, { apiVersion: "v1", kind: "Namespace", metadata: { name: "default" } });
  }
  await each(nodeCount, (index) =>
    client.create(
      nodes,
      {},
      {
        apiVersion: "v1",
        kind: "Node",
        metadata: {
          name: `node-${index}`,
          annotations: { "ovenbird.io/chassis": JSON.stringify({ systemId: `chassis-${index}` }) },
        },
      },
    ),
  );
  await each(podCount, (index) =>
    client.create(
      pods,
      { namespace: "default" },
      {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: `pod-${index}`, namespace: "default", labels: { app: `app-${index % 50}` } },
        spec: { nodeName: `node-${index % nodeCount}`, containers: [{ name: "main", image: "none" }] },
      },
    ),
  );
}

/** Resolves when all pods bear the annotation, with the time between the first and the last of them. */
function untilAnnotated(client: KubeClient, total: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const annotated = new Set<string>();
    let firstAt = 0;
    const following = reflect(client, pods, {
      project: (raw) =>
        (raw as { metadata?: { annotations?: Record<string, string> } }).metadata?.annotations?.[
          podNetworkAnnotationKey
        ] !== undefined,
    }).subscribe({
      next(event) {
        if (event.kind !== "upsert" || !event.object) return;
        if (annotated.size === 0) firstAt = performance.now();
        annotated.add(event.key);
        if (annotated.size < total) return;
        following.unsubscribe();
        resolve(performance.now() - firstAt);
      },
      error: reject,
    });
  });
}

/** The whole controller as a process, with real databases and the embedded API over TLS. */
export async function benchAnnouncements({ podCount = 5000, nodeCount = 50 } = {}): Promise<AnnouncementFigures> {
  const folder = await mkdtemp("/tmp/ovenbird-bench-");
  const tls = await makeCertificates(folder);
  const schema = (name: string) => `/usr/share/ovn/${name}.ovsschema`;
  const northbound = await startOvsdbServer({ schemaFile: schema("ovn-nb") });
  const southbound = await startOvsdbServer({ schemaFile: schema("ovn-sb") });
  const [apiPort, healthPort] = [await freePort(), await freePort()];
  const api = start("lab/api/main.ts", [
    ...["--state", join(folder, "state.sqlite"), "--listen", `127.0.0.1:${apiPort}`],
    ...["--cert", tls.files.serverCert, "--key", tls.files.serverKey, "--client-ca", tls.files.ca],
  ]);
  const kubeconfig = join(folder, "kubeconfig");
  await writeFile(
    kubeconfig,
    JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      "current-context": "bench",
      contexts: [{ name: "bench", context: { cluster: "bench", user: "bench" } }],
      clusters: [
        { name: "bench", cluster: { server: `https://127.0.0.1:${apiPort}`, "certificate-authority": tls.files.ca } },
      ],
      users: [
        { name: "bench", user: { "client-certificate": tls.files.clientCert, "client-key": tls.files.clientKey } },
      ],
    }),
  );
  const client = createKubeClient(loadKubeConfig({ path: kubeconfig }), { maxSockets: inFlight });
  let controller: ChildProcess | undefined;
  try {
    await untilServing(client);
    await fill(client, podCount, nodeCount);
    const begin = performance.now();
    await each(podCount, (index) =>
      client.patch(
        pods,
        { namespace: "default", name: `pod-${index}` },
        { metadata: { annotations: { "example.com/raw": "x".repeat(250) } } },
        { type: "merge" },
      ),
    );
    const rawPatchesPerSecond = podCount / ((performance.now() - begin) / 1000);
    const annotated = untilAnnotated(client, podCount);
    controller = start("controller/main.ts", [
      ...["--kubeconfig", kubeconfig, "--nb", northbound.endpoint, "--sb", southbound.endpoint],
      ...["--bind-address", `127.0.0.1:${healthPort}`, "--log-level", "warn"],
    ]);
    const died = once(controller, "exit").then(([code]) => {
      throw new Error(`the controller ended with status ${code}`);
    });
    const tookMs = await Promise.race([annotated, died]);
    return {
      pods: podCount,
      nodes: nodeCount,
      podsPerSecond: podCount / (tookMs / 1000),
      rawPatchesPerSecond,
      controllerRssBytes: await residentBytes(controller),
      apiRssBytes: await residentBytes(api),
    };
  } finally {
    if (controller !== undefined) await stop(controller);
    await client.close();
    await stop(api);
    await northbound.stop();
    await southbound.stop();
    await rm(folder, { recursive: true, force: true });
  }
}
