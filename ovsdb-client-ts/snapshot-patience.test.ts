import { expect, it } from "vitest";
import { createClient } from "./client.ts";
import { plainAnswer, startScriptedServer } from "./testing/scripted-server.ts";

it("a server that is silent over one snapshot is not given up because another one is there", async () => {
  let snapshots = 0;
  const server = await startScriptedServer((method, params, socket) => {
    // Who writes a snapshot answers no echo meanwhile.
    if (method === "echo") return "silence";
    if (method !== "monitor_cond_since" || ++snapshots !== 2) return plainAnswer(method, params);
    const reply = { id: 5, error: null, result: [false, "00000000-0000-0000-0000-000000000001", {}] };
    setTimeout(() => socket.write(JSON.stringify(reply)), 300);
    return "silence";
  });
  const client = createClient<Record<string, { _uuid: string; name: string }>>({
    endpoints: server.endpoint,
    database: "Small",
    probeIntervalMs: 40,
  });
  const lost: string[] = [];
  client.on((event) => {
    if (event.kind === "disconnected") lost.push(event.error.code);
  });
  try {
    await client.ready();
    const replicas = await Promise.all([client.replicate({ Thing: "all" }), client.replicate({ Thing: ["name"] })]);
    expect(replicas.map(({ synced }) => synced)).toEqual([true, true]);
    expect(lost).toEqual([]);
  } finally {
    await client.close();
    await server.stop();
  }
});
