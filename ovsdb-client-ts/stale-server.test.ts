import { expect, it } from "vitest";
import { createClient } from "./client.ts";
import { type Answer, plainAnswer, startScriptedServer } from "./testing/scripted-server.ts";

const serverSchema = {
  name: "_Server",
  tables: {
    Database: { columns: { name: { type: "string" }, model: { type: "string" }, index: { type: "integer" } } },
  },
};

it("a server whose index is behind the highest seen is refused until it has caught up", async () => {
  const indexes = [10, 5, 9, 10];
  let visits = 0;
  const answer = (method: string, params: readonly unknown[]): Answer => {
    if (params[0] !== "_Server") return plainAnswer(method, params);
    if (method === "get_schema") return { result: serverSchema };
    const row = { name: "Small", model: "clustered", connected: true, leader: true, index: indexes[visits++] ?? 10 };
    return { result: { Database: { "8d0a9a3c-3b7e-4c86-9f0a-0a2b6a1f0c11": { new: row } } } };
  };
  const server = await startScriptedServer(answer);
  const reasons: unknown[] = [];
  const client = createClient({
    endpoints: server.endpoint,
    database: "Small",
    backoff: { minMs: 1, maxMs: 5 },
    logger: { info() {}, warn() {}, debug: (fields) => reasons.push("code" in fields ? fields.code : undefined) },
  });
  await client.ready();
  const back = new Promise<void>((resolve) => {
    client.on((event) => event.kind === "connected" && resolve());
  });
  for (const socket of server.sockets) socket.destroy();
  await back;
  expect(reasons).toEqual(["STALE_SERVER", "STALE_SERVER"]);
  expect(visits).toBe(4);
  await client.close();
  await server.stop();
});
