import { afterEach, describe, expect, it } from "vitest";
import { createMetrics, type MetricsServer, serveMetrics } from "./index.ts";

const logger = { debug() {}, info() {}, warn() {} };
let server: MetricsServer | undefined;
afterEach(() => server?.close());

async function start(problem: () => string | undefined) {
  const metrics = createMetrics();
  server = await serveMetrics({
    address: "127.0.0.1:0",
    metrics,
    conditions: [
      { name: "ovsdb", problem: () => undefined },
      { name: "management-port", problem },
    ],
    logger,
  });
  const get = async (path: string) => {
    const response = await fetch(`http://${server?.address}${path}`);
    return { status: response.status, text: await response.text() };
  };
  return { metrics, get };
}

describe("the agent's health and metrics", () => {
  it("tell that it lives, and separately what it still waits for", async () => {
    let problem: string | undefined = "no device";
    const { get } = await start(() => problem);
    expect(await get("/healthz")).toEqual({ status: 200, text: "ok\n" });
    expect(await get("/readyz")).toEqual({ status: 503, text: "[+] ovsdb\n[-] management-port: no device\n" });
    problem = undefined;
    expect((await get("/readyz")).status).toBe(200);
    expect((await get("/nothing")).status).toBe(404);
  });

  it("count CNI calls by command and code", async () => {
    const { metrics, get } = await start(() => undefined);
    metrics.cni.observe("ADD", 0, 0.02);
    metrics.cni.observe("ADD", 123, 30);
    const { text } = await get("/metrics");
    expect(text).toContain('ovenbird_agent_cni_call_seconds_count{command="ADD",code="0"} 1');
    expect(text).toContain('ovenbird_agent_cni_call_seconds_count{command="ADD",code="123"} 1');
    expect(text).toContain('ovenbird_agent_condition{condition="management-port"} 1');
  });

  it("refuse an address that is taken", async () => {
    await start(() => undefined);
    const first = server;
    await expect(
      serveMetrics({ address: first?.address ?? "", metrics: createMetrics(), conditions: [], logger }),
    ).rejects.toThrow("EADDRINUSE");
  });
});
