import { afterEach, describe, expect, it } from "vitest";
import type { KubeClient, KubeClientOptions } from "./client.ts";
import type { Credentials, KubeConnection } from "./connection.ts";
import type { KubeErrorCode } from "./error.ts";
import { createKubeClient } from "./http-client.ts";
import { nodes, pods } from "./resource.ts";
import { makeCertificates } from "./testing/certificates.ts";
import {
  answerJson,
  type Handler,
  type ServerTls,
  startServer,
  statusOf,
  type TestServer,
} from "./testing/http-server.ts";

const cleanUp: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const undo of cleanUp.splice(0).reverse()) await undo();
});

async function serve(handle: Handler, tls?: ServerTls): Promise<TestServer> {
  const server = await startServer(handle, tls);
  cleanUp.push(() => server.stop());
  return server;
}

function connect(connection: KubeConnection, options?: KubeClientOptions): KubeClient {
  const client = createKubeClient(connection, options);
  cleanUp.push(() => client.close());
  return client;
}

const rejects = (promise: Promise<unknown>, code: KubeErrorCode): Promise<void> =>
  expect(promise).rejects.toMatchObject({ name: "KubeError", code });

const web = { namespace: "shop", name: "web" };

describe("a client", () => {
  it("speaks each verb as the API wants it", async () => {
    const server = await serve((_request, response) => answerJson(response, 200, { kind: "Pod" }));
    const client = connect(server.connection());
    await client.get(pods, web, { subresource: "status" });
    await client.create(
      pods,
      { namespace: "shop" },
      { metadata: { name: "web" } },
      { fieldManager: "test", dryRun: true },
    );
    await client.create(pods, web, { kind: "Eviction" }, { subresource: "eviction" });
    await client.replace(nodes, { name: "n1" }, { kind: "Node" }, { subresource: "status" });
    await client.patch(pods, web, { metadata: { labels: { a: null } } }, { type: "merge" });
    await client.patch(pods, web, [{ op: "remove", path: "/spec" }], { type: "json", metadataOnly: true });
    await client.patch(pods, web, { spec: {} }, { type: "apply", fieldManager: "test", force: true });
    await client.delete(pods, web, {
      gracePeriodSeconds: 0,
      preconditions: { uid: "u1" },
      propagationPolicy: "Foreground",
    });
    const seen = server.requests.map(({ method, url, headers, body }) => [
      `${method} ${url.pathname}${url.search}`,
      headers["content-type"],
      body === "" ? undefined : JSON.parse(body),
    ]);
    const pod = "/api/v1/namespaces/shop/pods";
    expect(seen).toEqual([
      [`GET ${pod}/web/status`, undefined, undefined],
      [`POST ${pod}?fieldManager=test&dryRun=All`, "application/json", { metadata: { name: "web" } }],
      [`POST ${pod}/web/eviction`, "application/json", { kind: "Eviction" }],
      ["PUT /api/v1/nodes/n1/status", "application/json", { kind: "Node" }],
      [`PATCH ${pod}/web`, "application/merge-patch+json", { metadata: { labels: { a: null } } }],
      [`PATCH ${pod}/web`, "application/json-patch+json", [{ op: "remove", path: "/spec" }]],
      [`PATCH ${pod}/web?fieldManager=test&force=true`, "application/apply-patch+yaml", { spec: {} }],
      [
        `DELETE ${pod}/web`,
        "application/json",
        {
          apiVersion: "v1",
          kind: "DeleteOptions",
          gracePeriodSeconds: 0,
          propagationPolicy: "Foreground",
          preconditions: { uid: "u1" },
        },
      ],
    ]);
    expect(server.requests[5]?.headers.accept).toMatch(/as=PartialObjectMetadata/);
    expect(server.connectionCount).toBeLessThanOrEqual(2);
  });

  it("lists all pages as one, and a list without items as an empty one", async () => {
    const server = await serve((request, response) => {
      if (request.url.pathname === "/api/v1/nodes") {
        return answerJson(response, 200, { metadata: { resourceVersion: "1" }, items: null });
      }
      const last = request.url.searchParams.get("continue") === "two";
      answerJson(response, 200, {
        metadata: { resourceVersion: "7", continue: last ? "" : "two" },
        items: [{ metadata: { name: last ? "b" : "a" } }],
      });
    });
    const client = connect(server.connection());
    const { items, resourceVersion } = await client.list(pods, { labelSelector: "a in (b,c)", pageSize: 1 });
    expect([items.map((item) => item.metadata?.name), resourceVersion]).toEqual([["a", "b"], "7"]);
    expect(server.requests[0]?.url.searchParams.get("labelSelector")).toBe("a in (b,c)");
    expect(await client.list(nodes)).toEqual({ items: [], resourceVersion: "1" });
  });

  it("rejects with the code of the server's Status", async () => {
    const server = await serve((_request, response) =>
      answerJson(response, 409, statusOf(409, "Conflict", "modified")),
    );
    const error = connect(server.connection()).replace(pods, web, {});
    await expect(error).rejects.toMatchObject({ code: "CONFLICT", status: 409, reason: "Conflict" });
    await expect(error).rejects.toThrow("PUT /api/v1/namespaces/shop/pods/web: modified");
  });

  it("keeps the path of the server's address", async () => {
    const server = await serve((_request, response) => answerJson(response, 200, {}));
    const connection = server.connection();
    await connect({ ...connection, server: `${connection.server}/k8s/clusters/c1` }).get(pods, web);
    expect(server.requests[0]?.url.pathname).toBe("/k8s/clusters/c1/api/v1/namespaces/shop/pods/web");
  });

  it("gives the answer to a raw request whatever its status", async () => {
    const server = await serve((_request, response) =>
      response.writeHead(418, { "x-tea": "green" }).end("short and stout"),
    );
    const answer = await connect(server.connection()).request({ method: "GET", path: "/version" });
    expect([answer.status, answer.headers["x-tea"], answer.body.toString()]).toEqual([418, "green", "short and stout"]);
  });

  it("waits as long as 429 and 503 with Retry-After ask, but not beyond its own bound", async () => {
    let count = 0;
    const server = await serve((_request, response) => {
      if (++count < 3)
        return answerJson(response, count === 1 ? 429 : 503, {}, { "retry-after": count === 1 ? "1" : "0" });
      answerJson(response, 200, { fine: true });
    });
    const begun = performance.now();
    expect(await connect(server.connection()).patch(pods, web, {}, { type: "merge" })).toEqual({ fine: true });
    expect(performance.now() - begun).toBeGreaterThan(990);
    const busy = await serve((_request, response) => answerJson(response, 429, {}, { "retry-after": "60" }));
    await expect(connect(busy.connection()).get(pods, web)).rejects.toMatchObject({
      code: "TOO_MANY_REQUESTS",
      retryAfterMs: 60_000,
    });
    expect(busy.requests).toHaveLength(1);
  });

  it("does not try again what the server refused without Retry-After", async () => {
    const server = await serve((_request, response) => answerJson(response, 500, {}));
    await rejects(connect(server.connection()).get(pods, web), "INTERNAL_ERROR");
    expect(server.requests).toHaveLength(1);
  });

  it("reads again when a connection is lost, and never writes twice", async () => {
    const server = await serve((request, response) => {
      if (server.requests.filter(({ method }) => method === request.method).length === 1) response.destroy();
      else answerJson(response, 200, {});
    });
    const client = connect(server.connection());
    expect(await client.get(pods, web)).toEqual({});
    await rejects(client.patch(pods, web, {}, { type: "merge" }), "CONNECTION_LOST");
    expect(server.requests.filter(({ method }) => method === "PATCH")).toHaveLength(1);
  });

  it("tells apart what was never sent", async () => {
    const server = await serve(() => {});
    const connection = server.connection();
    await server.stop();
    await rejects(connect(connection).patch(pods, web, {}, { type: "merge" }), "UNREACHABLE");
  });

  it("bounds the time of a request", async () => {
    const server = await serve(() => {});
    await rejects(connect(server.connection(), { requestTimeoutMs: 50 }).get(pods, web), "TIMED_OUT");
    await rejects(connect(server.connection()).get(pods, web, { timeoutMs: 50 }), "TIMED_OUT");
  });

  it("bounds the time also of what waits for a connection", async () => {
    const server = await serve(() => {});
    const client = connect(server.connection(), { requestTimeoutMs: 100, maxSockets: 1 });
    await Promise.all([1, 2, 3].map(() => rejects(client.get(pods, web), "TIMED_OUT")));
    expect(server.requests).toHaveLength(1);
  });

  it("ends at once when its signal aborts", async () => {
    const server = await serve(() => {});
    const client = connect(server.connection());
    await rejects(client.get(pods, web, { signal: AbortSignal.abort() }), "ABORTED");
    await rejects(client.get(pods, web, { signal: AbortSignal.timeout(30) }), "ABORTED");
  });

  it("bounds the size of an answer", async () => {
    const server = await serve((_request, response) => response.end("x".repeat(100_000)));
    await rejects(connect(server.connection(), { maxResponseBytes: 50_000 }).get(pods, web), "RESPONSE_TOO_LARGE");
  });

  it("refuses an answer that is no JSON, or no list", async () => {
    const server = await serve((_request, response) => response.end("<html>"));
    await rejects(connect(server.connection()).get(pods, web), "MALFORMED_RESPONSE");
    const other = await serve((_request, response) => answerJson(response, 200, { metadata: {}, items: 7 }));
    await rejects(connect(other.connection()).list(pods), "MALFORMED_RESPONSE");
  });

  it("ends what is under way when it is closed", async () => {
    const server = await serve((request, response) => {
      if (request.url.searchParams.has("watch")) response.writeHead(200).flushHeaders();
    });
    const client = createKubeClient(server.connection());
    const running = rejects(client.get(pods, web), "CLOSED");
    const watching = rejects(
      client.watch(pods, { resourceVersion: "1", timeoutSeconds: 60 }, () => {}),
      "CLOSED",
    );
    while (server.requests.length < 2) await new Promise((resolve) => setImmediate(resolve));
    await client.close();
    await Promise.all([running, watching]);
    await rejects(client.get(pods, web), "CLOSED");
  });

  it("keeps watches from starving requests", async () => {
    const server = await serve((request, response) => {
      if (request.url.searchParams.has("watch")) response.writeHead(200).flushHeaders();
      else answerJson(response, 200, {});
    });
    const client = connect(server.connection(), { maxSockets: 1 });
    const stop = new AbortController();
    const watches = [1, 2, 3].map(() =>
      rejects(
        client.watch(pods, { resourceVersion: "1", timeoutSeconds: 60, signal: stop.signal }, () => {}),
        "ABORTED",
      ),
    );
    while (server.requests.length < 3) await new Promise((resolve) => setImmediate(resolve));
    expect(await client.get(pods, web)).toEqual({});
    stop.abort();
    await Promise.all(watches);
  });
});

describe("credentials", () => {
  const tls = makeCertificates("alice", "bob");
  const serverTls = { ...tls.server, ca: tls.ca };

  it("are a client's certificate over TLS that checks both sides", async () => {
    const server = await serve(
      (request, response) => answerJson(response, 200, { user: request.clientName }),
      serverTls,
    );
    const { cert: certificate, key } = tls.clients.alice;
    const client = connect(server.connection({ ca: tls.ca, credentials: { certificate, key } }));
    expect(await client.get(pods, web)).toEqual({ user: "alice" });
    await rejects(connect(server.connection()).get(pods, web), "UNREACHABLE");
  });

  it("that are renewed are used for new connections, while the old ones end in peace", async () => {
    const server = await serve(
      (request, response) => answerJson(response, 200, { user: request.clientName }),
      serverTls,
    );
    let name: "alice" | "bob" = "alice";
    const current = (): Credentials => ({ certificate: tls.clients[name].cert, key: tls.clients[name].key });
    const client = connect({ ...server.connection({ ca: tls.ca }), credentials: { current, invalidate() {} } });
    const before = client.get(pods, web);
    name = "bob";
    expect(await client.get(pods, web)).toEqual({ user: "bob" });
    expect(await before).toEqual({ user: "alice" });
  });

  it("that are refused are renewed once", async () => {
    const server = await serve((request, response) => {
      const known = request.headers.authorization === "Bearer new";
      answerJson(response, known ? 200 : 401, known ? {} : statusOf(401, "Unauthorized", "Unauthorized"));
    });
    let token = "old";
    const credentials = {
      current: () => Promise.resolve({ authorization: `Bearer ${token}` }),
      invalidate() {
        token = "new";
      },
    };
    expect(await connect({ ...server.connection(), credentials }).get(pods, web)).toEqual({});
    const client = connect(server.connection({ credentials: { authorization: "Bearer wrong" } }));
    await rejects(client.get(pods, web), "UNAUTHORIZED");
    expect(server.requests).toHaveLength(4);
  });
});
