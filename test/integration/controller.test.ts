import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { createClient } from "ovsdb-client-ts";
import { type OvsdbServer, startOvsdbServer } from "ovsdb-client-ts/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { answerJson, statusOf } from "../../kube/testing/http-server.ts";
import { isList, type ObjectServer, startObjectServer } from "../../kube/testing/object-server.ts";
import { northboundSchema, readNorthbound } from "./northbound-rows.ts";

const main = join(import.meta.dirname, "..", "..", "controller", "main.ts");
const podPath = (name: string): string => `/api/v1/namespaces/x/pods/${name}`;
const leasePath = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/ovenbird-controller";

interface RunningController {
  readonly child: ChildProcess;
  readonly url: string;
  readonly log: readonly string[];
  metric(name: string): Promise<number>;
  ready(): Promise<{ status: number; body: { ready: boolean; leading: boolean } }>;
  /** SIGTERM; gives the exit code. */
  stop(): Promise<number | null>;
}

describe("the controller's process", () => {
  let northbound: OvsdbServer;
  let southbound: OvsdbServer;
  let api: ObjectServer;
  let folder: string;
  const running: ChildProcess[] = [];

  beforeEach(async () => {
    folder = await mkdtemp("/tmp/ovenbird-controller-");
    northbound = await startOvsdbServer({ schemaFile: northboundSchema });
    southbound = await startOvsdbServer({ schemaFile: "/usr/share/ovn/ovn-sb.ovsschema" });
    api = await startObjectServer();
    const kubeconfig = {
      apiVersion: "v1",
      kind: "Config",
      "current-context": "test",
      clusters: [{ name: "test", cluster: { server: api.connection().server } }],
      users: [{ name: "test", user: {} }],
      contexts: [{ name: "test", context: { cluster: "test", user: "test" } }],
    };
    await writeFile(join(folder, "kubeconfig"), JSON.stringify(kubeconfig));
    api.put("/api/v1/nodes/a", { metadata: { uid: "node-a" } });
  });
  afterEach(async () => {
    for (const child of running.splice(0)) {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill("SIGKILL");
        await once(child, "exit");
      }
    }
    await Promise.all([northbound.stop(), southbound.stop(), api.stop()]);
    await rm(folder, { recursive: true });
  });

  async function start(identity: string, more: readonly string[] = []): Promise<RunningController> {
    api.intercept(
      (request) => isList(request) && request.url.pathname === "/api/v1/namespaces",
      (_request, response) =>
        answerJson(response, 200, { kind: "List", metadata: { resourceVersion: String(api.version) }, items: [] }),
    );
    const child = spawn(
      process.execPath,
      [
        main,
        ...["--kubeconfig", join(folder, "kubeconfig"), "--nb", northbound.endpoint, "--sb", southbound.endpoint],
        ...["--bind-address", "127.0.0.1:0", "--identity", identity, "--log-level", "debug"],
        ...more,
      ],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    running.push(child);
    const log: string[] = [];
    const url = await new Promise<string>((resolve, reject) => {
      child.once("exit", (code) => reject(new Error(`it ended with ${code}: ${log.join("\n")}`)));
      child.stderr.on("data", (chunk: Buffer) => log.push(String(chunk)));
      createInterface({ input: child.stdout }).on("line", (line) => {
        log.push(line);
        const { msg, url: served } = JSON.parse(line) as { msg: string; url?: string };
        if (msg === "serving status" && served !== undefined) resolve(served);
      });
    });
    return {
      child,
      url,
      log,
      async metric(name) {
        const text = await (await fetch(`${url}/metrics`)).text();
        const lines = text.split("\n").filter((line) => line.startsWith(name) && !line.startsWith("#"));
        return lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
      },
      async ready() {
        const response = await fetch(`${url}/readyz`);
        return { status: response.status, body: (await response.json()) as { ready: boolean; leading: boolean } };
      },
      async stop() {
        const exited = once(child, "exit") as Promise<[number | null]>;
        child.kill("SIGTERM");
        return (await exited)[0];
      },
    };
  }

  const annotation = (name: string): string | undefined =>
    (api.get(podPath(name))?.metadata.annotations as Record<string, string> | undefined)?.["ovenbird.io/network"];

  function createPod(name: string): void {
    api.put(podPath(name), {
      metadata: { uid: `uid-${name}` },
      spec: { nodeName: "a" },
      status: { phase: "Pending" },
    });
  }

  it("gives a pod its port and announces it, restarts without a write, and hands over on SIGTERM", async () => {
    createPod("one");
    api.put(podPath("host"), { metadata: { uid: "uid-host" }, spec: { nodeName: "a", hostNetwork: true } });
    const first = await start("first");
    await expect.poll(() => annotation("one"), { timeout: 20_000 }).toBeDefined();
    expect(JSON.parse(annotation("one") ?? "")).toMatchObject({ uid: "uid-one", port: "x_one", mtuBytes: 1400 });
    await expect.poll(async () => (await first.ready()).status).toBe(200);
    expect((await first.ready()).body).toMatchObject({ ready: true, leading: true });
    expect((await fetch(`${first.url}/healthz`)).status).toBe(200);
    expect(await first.metric("ovenbird_controller_operations_total")).toBeGreaterThan(0);
    expect(await first.metric("ovenbird_controller_event_to_commit_seconds_count")).toBeGreaterThan(1);

    const second = await start("second");
    await expect.poll(async () => (await second.ready()).status, { timeout: 20_000 }).toBe(200);
    expect((await second.ready()).body.leading).toBe(false);
    const before = await readNorthbound(northbound);
    const pod = api.get(podPath("one"));

    expect(await first.stop()).toBe(0);
    await expect
      .poll(async () => (await second.ready()).body, { timeout: 20_000 })
      .toMatchObject({
        ready: true,
        leading: true,
      });
    expect(await second.metric("ovenbird_controller_operations_total")).toBe(0);
    expect(await readNorthbound(northbound)).toEqual(before);
    expect(api.get(podPath("one"))).toEqual(pod);
    const patched = api.requests.filter(({ method }) => method === "PATCH").map(({ url }) => url.pathname);
    expect(patched.filter((path) => path === podPath("one"))).toHaveLength(1);
    expect(patched).not.toContain(podPath("host"));

    createPod("two");
    await expect.poll(() => annotation("two"), { timeout: 10_000 }).toBeDefined();
    expect(await second.stop()).toBe(0);
    const lease = api.get(leasePath)?.spec as { holderIdentity?: string } | undefined;
    expect(lease?.holderIdentity ?? "").toBe("");
  });

  it("leaves no double address, no gap and no leftover when killed again and again in mid-load", async () => {
    let controller = await start("same");
    const names = Array.from({ length: 120 }, (_, index) => `load-${index}`);
    for (const [index, name] of names.entries()) {
      createPod(name);
      if (index % 3 === 2) api.remove(podPath(`load-${index - 1}`));
      if (index % 4 === 3) await new Promise((resolve) => setImmediate(resolve));
      if (index % 40 !== 20) continue;
      // Somewhere in the middle of what came so far: every third pod stays.
      const awaited = `load-${index - (index % 3) - 12}`;
      await expect.poll(() => annotation(awaited), { timeout: 20_000, interval: 1 }).toBeDefined();
      const exited = once(controller.child, "exit");
      controller.child.kill("SIGKILL");
      await exited;
      controller = await start("same");
    }
    const alive = names.filter((name) => api.get(podPath(name)) !== undefined);
    await expect.poll(() => alive.filter((name) => annotation(name) === undefined), { timeout: 30_000 }).toEqual([]);
    await expect.poll(async () => (await controller.ready()).status, { timeout: 20_000 }).toBe(200);
    const { ours } = await readNorthbound(northbound);
    const ports = Object.values(ours).filter(({ name }) => String(name).startsWith("x_load"));
    expect(ports.map(({ name }) => name).sort()).toEqual(alive.map((name) => `x_${name}`).sort());
    const addresses = ports.flatMap((port) => port.addresses as string[]);
    expect(new Set(addresses).size).toBe(alive.length);
    for (const name of alive) {
      const announced = JSON.parse(annotation(name) ?? "") as { mac: string; addresses: string[] };
      const words = [announced.mac, ...announced.addresses.map((text) => text.split("/")[0])].join(" ");
      expect(addresses).toContain(words);
    }
    expect(await controller.stop()).toBe(0);
  });

  it("is replaced when it stands still, and writes nothing more when it wakes", async () => {
    const stopped = await start("stopped");
    createPod("before");
    await expect.poll(() => annotation("before"), { timeout: 20_000 }).toBeDefined();
    const successor = await start("successor");
    stopped.child.kill("SIGSTOP");
    api.remove(podPath("before"));
    createPod("after");
    await expect.poll(() => annotation("after"), { timeout: 40_000 }).toBeDefined();
    const before = await readNorthbound(northbound);
    const operations = await successor.metric("ovenbird_controller_operations_total");
    stopped.child.kill("SIGCONT");
    await expect.poll(async () => (await stopped.ready()).body.leading, { timeout: 10_000 }).toBe(false);
    expect((await successor.ready()).body).toMatchObject({ ready: true, leading: true });
    expect(await successor.metric("ovenbird_controller_operations_total")).toBe(operations);
    expect(await successor.metric("ovenbird_controller_drift_total")).toBe(0);
    expect(await readNorthbound(northbound)).toEqual(before);
    expect(await stopped.stop()).toBe(0);
    expect(await successor.stop()).toBe(0);
  });

  it("reaches the databases over mutual TLS with the files it is given", async () => {
    await northbound.stop();
    northbound = await startOvsdbServer({ schemaFile: northboundSchema, listen: "ssl" });
    const files = northbound.tls?.files;
    if (files === undefined) throw new Error("the server has no certificates");
    const one = await start("one", ["--ca", files.ca, "--cert", files.clientCert, "--key", files.clientKey]);
    createPod("one");
    await expect.poll(() => annotation("one"), { timeout: 20_000 }).toBeDefined();
    expect(await one.stop()).toBe(0);
    expect(one.log.join()).not.toContain("PRIVATE KEY");
  });

  it("ends when its status can't be served, and says why", async () => {
    const one = await start("one");
    await expect(start("two", ["--bind-address", new URL(one.url).host])).rejects.toThrow(
      /it ended with 1: .*EADDRINUSE/,
    );
    expect(await one.stop()).toBe(0);
  });

  it("announces a pod's addresses also when the first PATCH meets a conflict", async () => {
    api.intercept(
      ({ method, url }) => method === "PATCH" && url.pathname === podPath("one"),
      (_request, response) => answerJson(response, 409, statusOf(409, "Conflict", "many write at once")),
    );
    const one = await start("one");
    createPod("one");
    await expect.poll(() => annotation("one"), { timeout: 20_000 }).toBeDefined();
    expect(await one.stop()).toBe(0);
  });

  it("ends at once on SIGTERM while no database answers", async () => {
    await northbound.kill();
    await southbound.kill();
    const one = await start("one");
    expect((await one.ready()).status).toBe(503);
    expect(await one.stop()).toBe(0);
  });

  it("serves its health while the databases are away, and gets ready once they come", async () => {
    await northbound.kill();
    const one = await start("one");
    expect((await fetch(`${one.url}/healthz`)).status).toBe(200);
    expect((await one.ready()).status).toBe(503);
    const said = (): string[] => one.log.filter((line) => line.includes("no connection to the database yet"));
    await expect.poll(said, { timeout: 10_000 }).not.toEqual([]);
    expect(said()[0]).toContain("CONNECT_FAILED");
    await northbound.restart();
    await expect.poll(async () => (await one.ready()).status, { timeout: 30_000 }).toBe(200);
    expect(await one.stop()).toBe(0);
  });

  it("restores what somebody changed under a pod, and writes an Event that says what", async () => {
    const one = await start("one");
    createPod("one");
    await expect.poll(() => annotation("one"), { timeout: 20_000 }).toBeDefined();
    const client = createClient({ endpoints: northbound.endpoint, database: "OVN_Northbound" });
    await client.ready();
    await client.transact([
      { op: "update", table: "Logical_Switch_Port", where: [["name", "==", "x_one"]], row: { addresses: "unknown" } },
    ]);
    await client.close();
    const events = (): unknown[] =>
      api.requests
        .filter(({ method, url }) => method === "POST" && url.pathname.endsWith("/events"))
        .map(({ body }) => JSON.parse(body) as unknown);
    await expect
      .poll(events, { timeout: 10_000 })
      .toContainEqual(expect.objectContaining({ reason: "NorthboundDrift", type: "Warning" }));
    expect(await one.metric("ovenbird_controller_drift_total")).toBe(1);
    expect(await one.stop()).toBe(0);
  });
});
