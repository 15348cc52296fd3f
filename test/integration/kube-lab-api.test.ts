import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createEventRecorder,
  createKubeClient,
  electLeader,
  type KubeClient,
  type KubeConnection,
  nodes,
  pods,
  type ReflectorEvent,
  reflect,
} from "@ovenbird/kube";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeCertificates } from "../../kube/testing/certificates.ts";
import { collect } from "../../kube/testing/collect.ts";

const main = join(import.meta.dirname, "..", "..", "lab", "api", "main.ts");
const folder = mkdtempSync(join(tmpdir(), "kube-lab-api-"));
const tls = makeCertificates("kubernetes-admin");

let server: ChildProcess | undefined;
let client: KubeClient;
let connection: KubeConnection;
let port = 0;

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}

async function start(): Promise<void> {
  const file = (name: string): string => join(folder, name);
  const arguments_ = ["--state", file("state.db"), "--listen", `127.0.0.1:${port}`];
  const certificates = [
    "--log-level",
    "warn",
    "--cert",
    file("server.crt"),
    "--key",
    file("server.key"),
    "--client-ca",
    file("ca.crt"),
  ];
  server = spawn(process.execPath, [main, ...arguments_, ...certificates], { stdio: "inherit" });
  for (;;) {
    const answer = await client.request({ method: "GET", path: "/readyz", timeoutMs: 1000 }).catch(() => undefined);
    if (answer?.status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function kill(): Promise<void> {
  const running = server;
  server = undefined;
  if (running === undefined || running.exitCode !== null) return;
  running.kill("SIGKILL");
  await once(running, "exit");
}

beforeAll(async () => {
  port = await freePort();
  writeFileSync(join(folder, "ca.crt"), tls.ca);
  writeFileSync(join(folder, "server.crt"), tls.server.cert);
  writeFileSync(join(folder, "server.key"), tls.server.key);
  const { cert: certificate, key } = tls.clients["kubernetes-admin"];
  connection = {
    server: `https://127.0.0.1:${port}`,
    namespace: undefined,
    context: "lab",
    tls: { ca: tls.ca, insecureSkipVerify: false },
    proxyUrl: undefined,
    headers: [],
    credentials: { current: () => ({ certificate, key }), invalidate() {} },
  };
  client = createKubeClient(connection);
  await start();
});

afterAll(async () => {
  await client.close();
  await kill();
  rmSync(folder, { recursive: true });
});

const node = (name: string): object => ({ apiVersion: "v1", kind: "Node", metadata: { name } });

describe("the kube room against the lab's API server", () => {
  it("creates, reads, patches, conflicts and deletes", async () => {
    await client.create(nodes, {}, node("crud"));
    await expect(client.create(nodes, {}, node("crud"))).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    const created = await client.get(nodes, { name: "crud" });
    await client.patch(nodes, { name: "crud" }, { metadata: { annotations: { a: "1" } } }, { type: "merge" });
    await expect(client.replace(nodes, { name: "crud" }, created)).rejects.toMatchObject({ code: "CONFLICT" });
    await client.patch(nodes, { name: "crud" }, [{ op: "remove", path: "/metadata/annotations/a" }], { type: "json" });
    const slim = await client.patch(
      nodes,
      { name: "crud" },
      { metadata: { annotations: { b: "2" } } },
      { type: "merge", metadataOnly: true },
    );
    expect(slim.metadata?.annotations).toEqual({ b: "2" });
    await client.delete(nodes, { name: "crud" }, { preconditions: { uid: created.metadata?.uid ?? "" } });
    await expect(client.get(nodes, { name: "crud" })).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("discovers pods with their status", async () => {
    const discovery = await client.discover();
    expect(discovery.has(pods)).toBe(true);
    expect(discovery.find("", "pods")?.subresources).toContain("status");
  });

  it("follows nodes over pages and a kill -9 of the server", async () => {
    for (let at = 0; at < 7; at++) await client.create(nodes, {}, node(`follow-${at}`));
    const following = collect<ReflectorEvent<string>>(
      reflect(client, nodes, { project: (raw) => JSON.stringify((raw as { metadata: object }).metadata), pageSize: 3 }),
    );
    const told = (key: string, kind: string): Promise<void> =>
      following.until((events) =>
        events.some((event) => event.kind === kind && event.kind !== "synced" && event.key === key),
      );
    await following.until((events) => events.at(-1)?.kind === "synced");
    expect(following.values.filter(({ kind }) => kind === "upsert")).toHaveLength(7);
    await client.create(nodes, {}, node("watched"));
    await told("watched", "upsert");
    await kill();
    await start();
    await client.delete(nodes, { name: "follow-0" });
    await told("follow-0", "delete");
    following.unsubscribe();
  });

  it("records Events and counts them up", async () => {
    const recorder = createEventRecorder(client, { component: "test" });
    const subject = { kind: "Node", apiVersion: "v1", name: "watched" };
    for (let at = 0; at < 3; at++) recorder.event(subject, { type: "Normal", reason: "Tested", message: `${at}` });
    await recorder.close();
    const { body } = await client.request({ method: "GET", path: "/api/v1/namespaces/default/events" });
    expect((JSON.parse(body.toString()) as { items: object[] }).items).toMatchObject([{ reason: "Tested", count: 3 }]);
  });

  it("elects one leader", async () => {
    const stop = new AbortController();
    const place = { namespace: "kube-system", name: "test", signal: stop.signal, retryPeriodMs: 200 };
    const candidates = ["one", "two"].map((identity) => collect(electLeader(client, { ...place, identity })));
    await Promise.all(candidates.map((one) => one.until((told) => told.at(-1)?.holder !== undefined)));
    expect(candidates.filter((one) => one.values.at(-1)?.leading)).toHaveLength(1);
    stop.abort();
    await Promise.all(candidates.map((one) => one.until(() => one.values.at(-1)?.leading !== true)));
  });
});
