import { afterAll, beforeAll, expect, it } from "vitest";
import { type ContractClient, createContractClient } from "./contract/client.ts";
import { type ServerUnderTest, startEmbeddedServer } from "./contract/server.ts";

/** What our own server promises beyond the contract: kill -9 at any moment loses nothing that was acknowledged. */

let server: ServerUnderTest;
let api: ContractClient;
const configMaps = "/api/v1/namespaces/default/configmaps";

beforeAll(async () => {
  server = await startEmbeddedServer();
  api = createContractClient(server.kubeconfig);
});

afterAll(async () => {
  api.close();
  await server.stop();
});

it("no acknowledged write is lost when the process is killed in the middle of writes, again and again", async () => {
  const merge = { "content-type": "application/merge-patch+json" };
  const acknowledged = new Map<string, string | undefined>();
  for (let round = 0; round < 3; round += 1) {
    let running = true;
    const workers = Array.from({ length: 16 }, async (_, worker) => {
      for (let turn = 0; running; turn += 1) {
        const name = `k-${round}-${worker}-${turn}`;
        try {
          await api.send("POST", configMaps, {
            apiVersion: "v1",
            kind: "ConfigMap",
            metadata: { name },
            data: { turn: "0" },
          });
          acknowledged.set(name, "0");
          const patched = await api.send("PATCH", `${configMaps}/${name}`, { data: { turn: "1" } }, merge);
          if (patched.status === 200) acknowledged.set(name, "1");
          if (turn % 3 !== 0) continue;
          // Unanswered, either outcome is right.
          acknowledged.delete(name);
          const deleted = await api.send("DELETE", `${configMaps}/${name}`);
          if (deleted.status === 200) acknowledged.set(name, undefined);
        } catch (error) {
          if (running) throw error;
        }
      }
    });
    const before = acknowledged.size;
    await expect.poll(() => acknowledged.size, { interval: 5, timeout: 30_000 }).toBeGreaterThan(before + 100);
    running = false;
    await server.kill();
    await Promise.all(workers);
    await server.restart();
    const { body } = await api.send("GET", configMaps);
    const stored = new Map(
      body.items.map((item: { metadata: { name: string }; data: { turn: string } }) => [
        item.metadata.name,
        item.data.turn,
      ]),
    );
    for (const [name, turn] of acknowledged) {
      if (turn === "0") expect(["0", "1"]).toContain(stored.get(name));
      else expect(stored.get(name), name).toBe(turn);
    }
  }
  expect(acknowledged.size).toBeGreaterThan(300);
});

it("resourceVersions go on rising over a restart, and watches from before are told to list anew", async () => {
  const { body: before } = await api.send("GET", configMaps);
  await api.send("POST", configMaps, { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "before-restart" } });
  await server.restart();
  const { body: after } = await api.send("POST", configMaps, {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "after-restart" },
  });
  expect(Number(after.metadata.resourceVersion)).toBeGreaterThan(Number(before.metadata.resourceVersion) + 1);
  const watch = await api.watch(`${configMaps}?watch=true&resourceVersion=${before.metadata.resourceVersion}`);
  expect(await watch.next()).toMatchObject({ type: "ERROR", object: { code: 410, reason: "Expired" } });
  watch.close();
});

it("service addresses stay taken over a restart", async () => {
  const service = (name: string) => ({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name },
    spec: { ports: [{ port: 80 }] },
  });
  const first = await api.send("POST", "/api/v1/namespaces/default/services", service("first"));
  await server.restart();
  const second = await api.send("POST", "/api/v1/namespaces/default/services", service("second"));
  expect(second.status).toBe(201);
  expect(second.body.spec.clusterIP).not.toBe(first.body.spec.clusterIP);
});

it("who shows neither certificate nor token is refused", async () => {
  const { request } = await import("node:https");
  const { parse } = await import("yaml");
  const { readFileSync } = await import("node:fs");
  const { port } = new URL(parse(readFileSync(server.kubeconfig, "utf8")).clusters[0].cluster.server);
  const status = await new Promise((resolve, reject) => {
    const call = request(
      { host: "127.0.0.1", port, path: "/api/v1/pods", rejectUnauthorized: false, agent: false },
      (response) => {
        response.resume();
        resolve(response.statusCode);
      },
    );
    call.on("error", reject);
    call.end();
  });
  expect(status).toBe(401);
});
