import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { NodeService } from "../services/index.ts";
import { createHealthCheckServers, type HealthCheckServers } from "./index.ts";

const warnings: object[] = [];
const logger = { debug() {}, info() {}, warn: (fields: object) => warnings.push(fields) };
let servers: HealthCheckServers | undefined;
afterEach(async () => {
  await servers?.close();
  warnings.length = 0;
});

function service(healthCheckNodePort: number, localEndpoints: number, key = "shop/web"): NodeService {
  return {
    key,
    uid: key,
    createdAt: "",
    families: ["ipv4", "ipv6"],
    ports: [],
    externalIps: [],
    ingressIps: [],
    externalLocal: true,
    healthCheckNodePort,
    localEndpoints,
    localEndpointsOf: { ipv4: localEndpoints, ipv6: localEndpoints },
    endpointNodes: new Set(),
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "::");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Asks until somebody answers. */
async function ask(port: number, host = "127.0.0.1"): Promise<Response> {
  for (;;) {
    try {
      return await fetch(`http://${host}:${port}/healthz`, { headers: { connection: "close" } });
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

describe("the health check of a Service with local traffic policy", () => {
  it("is 200 with the number of endpoints on this node, else 503, on addresses of both families", async () => {
    const port = await freePort();
    let healthy = true;
    servers = createHealthCheckServers({ isHealthy: () => healthy, logger });
    servers.serve([service(port, 2)]);
    for (const host of ["127.0.0.1", "[::1]"]) {
      const response = await ask(port, host);
      expect(response.status).toBe(200);
      expect(response.headers.get("x-load-balancing-endpoint-weight")).toBe("2");
      expect(await response.json()).toEqual({
        service: { namespace: "shop", name: "web" },
        localEndpoints: 2,
        serviceProxyHealthy: true,
      });
    }
    servers.serve([service(port, 0)]);
    expect((await ask(port)).status).toBe(503);
    servers.serve([service(port, 1)]);
    healthy = false;
    const response = await ask(port);
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ localEndpoints: 1, serviceProxyHealthy: false });
  });

  it("ends with its Service", async () => {
    const port = await freePort();
    servers = createHealthCheckServers({ isHealthy: () => true, logger });
    servers.serve([service(port, 1)]);
    await ask(port);
    servers.serve([]);
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow();
  });

  it("complains once of a port that another one has, and takes it with a later change", async () => {
    const port = await freePort();
    const other = createServer().listen(port, "::");
    await once(other, "listening");
    servers = createHealthCheckServers({ isHealthy: () => true, logger });
    for (let change = 0; change < 3; change += 1) {
      servers.serve([service(port, 1)]);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatchObject({ port, service: "shop/web" });
    await new Promise((resolve) => other.close(resolve));
    servers.serve([service(port, 1)]);
    expect((await ask(port)).status).toBe(200);
  });

  it("of two Services with one port answers for one, and says so", async () => {
    const port = await freePort();
    servers = createHealthCheckServers({ isHealthy: () => true, logger });
    servers.serve([service(port, 0, "shop/b"), service(port, 3, "shop/a")]);
    expect(await (await ask(port)).json()).toMatchObject({ service: { name: "a" }, localEndpoints: 3 });
    expect(warnings).toHaveLength(1);
  });
});
