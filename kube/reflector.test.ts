import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { KubeClient } from "./client.ts";
import { createKubeClient } from "./http-client.ts";
import { type ReflectOptions, type ReflectorEvent, type ReflectorProblem, reflect } from "./reflector.ts";
import { pods } from "./resource.ts";
import { type Collected, collect } from "./testing/collect.ts";
import { answerJson, statusOf } from "./testing/http-server.ts";
import { isList, isWatch, type ObjectServer, startObjectServer } from "./testing/object-server.ts";

interface Slim {
  readonly name: string;
  readonly color: string;
}

const path = (name: string): string => `/api/v1/namespaces/shop/pods/${name}`;

function project(raw: unknown): Slim {
  const { metadata, color } = raw as { metadata: { name: string }; color?: unknown };
  if (typeof color !== "string") throw new TypeError("no color");
  return Object.freeze({ name: metadata.name, color });
}

let server: ObjectServer;
let client: KubeClient;
let problems: ReflectorProblem[];
let following: Collected<ReflectorEvent<Slim>> | undefined;

function follow(options: Partial<ReflectOptions<Slim>> = {}): Collected<ReflectorEvent<Slim>> {
  following = collect(
    reflect(client, pods, {
      project,
      backoff: { minMs: 5, maxMs: 50 },
      onProblem: (problem) => problems.push(problem),
      ...options,
    }),
  );
  return following;
}

/** An event in one word: `+a red`, `-a`, `synced`. */
const word = (event: ReflectorEvent<Slim>): string =>
  event.kind === "synced"
    ? "synced"
    : event.kind === "delete"
      ? `-${event.key}`
      : `${event.old === undefined ? "+" : "~"}${event.key} ${event.object.color}`;
const words = (): string[] => (following?.values ?? []).map(word);
const seen = (text: string): Promise<void> => following?.until(() => words().includes(text)) ?? Promise.reject();
const synced = (count: number): Promise<void> =>
  following?.until(() => words().filter((text) => text === "synced").length >= count) ?? Promise.reject();

beforeEach(async () => {
  server = await startObjectServer();
  client = createKubeClient(server.connection());
  problems = [];
});

afterEach(async () => {
  following?.unsubscribe();
  await client.close();
  await server.stop();
});

describe("a reflector", () => {
  it("tells what exists, then says that this is all, then tells changes", async () => {
    server.put(path("a"), { color: "red" });
    server.put(path("b"), { color: "blue" });
    follow();
    await server.watched();
    expect(words()).toEqual(["+shop/a red", "+shop/b blue", "synced"]);
    server.put(path("a"), { color: "green" });
    server.put(path("c"), { color: "grey" });
    server.remove(path("b"));
    await seen("-shop/b");
    expect(words().slice(3)).toEqual(["~shop/a green", "+shop/c grey", "-shop/b"]);
    expect(following?.values[3]).toEqual({
      kind: "upsert",
      key: "shop/a",
      object: { name: "a", color: "green" },
      old: { name: "a", color: "red" },
    });
  });

  it("lists in pages and watches from the list's version, with bookmarks and a timeout with chance in it", async () => {
    for (let at = 0; at < 7; at++) server.put(path(`p${at}`), { color: "red" });
    follow({ pageSize: 3, labelSelector: "app=web", fieldSelector: "spec.nodeName=n1", namespace: "shop" });
    await server.watched();
    expect(words()).toHaveLength(8);
    const [first, second, third, watch] = server.requests.map(({ url }) => url);
    expect(first?.pathname).toBe("/api/v1/namespaces/shop/pods");
    expect(Object.fromEntries(first?.searchParams ?? [])).toEqual({
      labelSelector: "app=web",
      fieldSelector: "spec.nodeName=n1",
      limit: "3",
    });
    expect(second?.searchParams.get("continue")).toBe("107.3");
    expect(third?.searchParams.get("continue")).toBe("107.6");
    expect(watch?.searchParams.get("resourceVersion")).toBe("107");
    expect(watch?.searchParams.get("allowWatchBookmarks")).toBe("true");
    expect(watch?.searchParams.get("labelSelector")).toBe("app=web");
    expect(Number(watch?.searchParams.get("timeoutSeconds"))).toBeGreaterThanOrEqual(300);
    expect(Number(watch?.searchParams.get("timeoutSeconds"))).toBeLessThanOrEqual(600);
  });

  it("starts the list over when its token expires, and tells nothing twice", async () => {
    for (let at = 0; at < 5; at++) server.put(path(`p${at}`), { color: "red" });
    server.intercept(
      (request) => request.url.searchParams.has("continue"),
      (_request, response) => {
        server.remove(path("p0"));
        answerJson(response, 410, statusOf(410, "Expired", "too old"));
      },
    );
    follow({ pageSize: 2 });
    await synced(1);
    expect(words()).toEqual([
      ...["p0", "p1", "p2", "p3", "p4"].map((name) => `+shop/${name} red`),
      "-shop/p0",
      "synced",
    ]);
    expect(problems).toEqual([]);
  });

  it("asks for everything at once when the token expires a second time", async () => {
    for (let at = 0; at < 5; at++) server.put(path(`p${at}`), { color: "red" });
    for (const _ of [1, 2]) {
      server.intercept(
        (request) => request.url.searchParams.has("continue"),
        (_request, response) => answerJson(response, 410, statusOf(410, "Expired", "too old")),
      );
    }
    follow({ pageSize: 2 });
    await synced(1);
    expect(server.requests.filter(isList).map(({ url }) => url.searchParams.get("limit"))).toEqual([
      "2",
      "2",
      "2",
      "2",
      null,
    ]);
  });

  it("takes a watch up from the bookmark when the server ends it", async () => {
    server.put(path("a"), { color: "red" });
    server.put(path("b"), { color: "red" });
    follow({ pageSize: 1 });
    await server.watched();
    server.put("/api/v1/nodes/elsewhere");
    server.bookmark();
    server.put(path("a"), { color: "green" });
    await seen("~shop/a green");
    server.endWatches("end");
    await server.watched();
    server.put(path("a"), { color: "blue" });
    await seen("~shop/a blue");
    expect(words().filter((text) => text === "synced")).toHaveLength(1);
    expect(server.requests.filter(isWatch).at(-1)?.url.searchParams.get("resourceVersion")).toBe("104");
  });

  it("loses nothing when the connection breaks in mid-line", async () => {
    server.put(path("a"), { color: "red" });
    server.put(path("b"), { color: "red" });
    follow({ pageSize: 1 });
    await server.watched();
    server.writeToWatches('{"type":"MODIFIED","object":{"metadata":{"name":"a","names');
    server.endWatches("destroy");
    server.put(path("a"), { color: "green" });
    await seen("~shop/a green");
    expect(words()).toEqual(["+shop/a red", "+shop/b red", "synced", "~shop/a green"]);
  });

  it("relists after 410 and tells only what differs", async () => {
    server.put(path("same"), { color: "red" });
    server.put(path("changed"), { color: "red" });
    server.put(path("gone"), { color: "red" });
    follow();
    await server.watched();
    await server.stop();
    server.put(path("changed"), { color: "green" });
    server.put(path("new"), { color: "red" });
    server.remove(path("gone"));
    server.compact();
    await server.start();
    await synced(2);
    expect(words().slice(4)).toEqual(["~shop/changed green", "+shop/new red", "-shop/gone", "synced"]);
  });

  it("relists after any other ERROR event", async () => {
    server.put(path("a"), { color: "red" });
    follow();
    await server.watched();
    const error = { type: "ERROR", object: statusOf(504, "Timeout", "Too large resource version") };
    server.writeToWatches(`${JSON.stringify(error)}\n`);
    await synced(2);
    expect(words()).toEqual(["+shop/a red", "synced", "synced"]);
    expect(problems).toMatchObject([{ kind: "failed", error: { code: "SERVER_TIMEOUT" } }]);
  });

  it("relists after a line that makes no sense", async () => {
    server.put(path("a"), { color: "red" });
    follow();
    for (const [at, garbage] of ["garbage\n", '"text"\n', '{"type":"SURPRISE","object":{}}\n', "null\n"].entries()) {
      await synced(at + 1);
      await server.watched();
      server.writeToWatches(garbage);
    }
    await synced(5);
    expect(problems).toMatchObject(Array(4).fill({ kind: "failed", error: { code: "MALFORMED_RESPONSE" } }));
    expect(words()).toEqual(["+shop/a red", ...Array(5).fill("synced")]);
  });

  it("holds no more of a line than the client's bound", async () => {
    await client.close();
    client = createKubeClient(server.connection(), { maxWatchLineBytes: 1000 });
    follow();
    await server.watched();
    server.writeToWatches("x".repeat(2000));
    await synced(2);
    expect(problems).toMatchObject([{ kind: "failed", error: { code: "RESPONSE_TOO_LARGE" } }]);
  });

  it("reads characters that are split between two pieces", async () => {
    follow();
    await server.watched();
    const object = { metadata: { name: "a", namespace: "shop", resourceVersion: "101" }, color: "grün 🐦" };
    const bytes = Buffer.from(`${JSON.stringify({ type: "ADDED", object })}\n`);
    const middle = bytes.indexOf(0xf0) + 2;
    server.writeToWatches(bytes.subarray(0, middle));
    await new Promise((resolve) => setTimeout(resolve, 20));
    server.writeToWatches(bytes.subarray(middle));
    await seen("+shop/a grün 🐦");
  });

  it("goes on through 429, 500, HTML and refused connections", async () => {
    server.put(path("a"), { color: "red" });
    server.intercept(isList, (_request, response) => answerJson(response, 500, statusOf(500, "InternalError", "etcd")));
    server.intercept(isList, (_request, response) => {
      response.writeHead(502, { "content-type": "text/html" }).end("<html>bad gateway</html>");
    });
    server.intercept(isList, (_request, response) => response.writeHead(200).end('{"kind":"PodList","items":[{"meta'));
    server.intercept(isWatch, (_request, response) =>
      answerJson(response, 429, statusOf(429, "TooManyRequests", "slow down", { retryAfterSeconds: 1 })),
    );
    follow();
    await server.watched();
    expect(problems.map((problem) => (problem.kind === "failed" ? problem.error.code : problem.kind))).toEqual([
      "INTERNAL_ERROR",
      "UNAVAILABLE",
      "MALFORMED_RESPONSE",
      "TOO_MANY_REQUESTS",
    ]);
    expect(problems.at(-1)).toMatchObject({ retryInMs: 1000 });
    await server.stop();
    await new Promise((resolve) => setTimeout(resolve, 100));
    await server.start();
    server.put(path("a"), { color: "green" });
    await seen("~shop/a green");
    expect(problems.some((problem) => problem.kind === "failed" && problem.error.code === "UNREACHABLE")).toBe(true);
  });

  it("takes a resource that may be absent for one without objects as long as it is", async () => {
    const refuse = (): void =>
      server.intercept(isList, (_request, response) => answerJson(response, 404, statusOf(404, "NotFound", "absent")));
    refuse();
    follow({ mayBeAbsent: true });
    await synced(1);
    server.put(path("a"), { color: "red" });
    await seen("+shop/a red");
    await server.watched();
    // Its definition is taken away while the watch is broken.
    let refused = 0;
    const refuseAlways = (): void =>
      server.intercept(isList, (_request, response) => {
        if (++refused < 3) {
          expect(words()).not.toContain("-shop/a");
          refuseAlways();
        }
        answerJson(response, 404, statusOf(404, "NotFound", "absent"));
      });
    refuseAlways();
    server.endWatches("destroy");
    await seen("-shop/a");
    expect(refused).toBe(3);
    await synced(3);
    expect(words().slice(0, 5)).toEqual(["synced", "+shop/a red", "synced", "-shop/a", "synced"]);
  });

  it("keeps what it knows of a resource that the server doesn't know for a moment", async () => {
    server.put(path("a"), { color: "red" });
    follow({ mayBeAbsent: true });
    await synced(1);
    await server.watched();
    server.intercept(isList, (_request, response) => answerJson(response, 404, statusOf(404, "NotFound", "absent")));
    server.endWatches("destroy");
    await synced(2);
    expect(words()).toEqual(["+shop/a red", "synced", "synced"]);
  });

  it("awaits a resource that has to be there", async () => {
    server.intercept(isList, (_request, response) => answerJson(response, 404, statusOf(404, "NotFound", "absent")));
    server.put(path("a"), { color: "red" });
    follow();
    await synced(1);
    expect(words()).toEqual(["+shop/a red", "synced"]);
  });

  it("does not ask in a tight loop when every watch ends at once", async () => {
    const refuse = (): void =>
      server.intercept(isWatch, (_request, response) => {
        refuse();
        response.writeHead(200).end();
      });
    refuse();
    follow({ backoff: { minMs: 50, maxMs: 100 } });
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(server.requests.filter(isWatch).length).toBeLessThan(14);
  });

  for (const [size, pageSize] of [
    ["small", 500],
    ["large", 1],
  ] as const) {
    it(`follows a server that was restored from a backup, with a ${size} set of objects`, async () => {
      server.put(path("a"), { color: "red" });
      server.put(path("b"), { color: "red" });
      const backup = server.save();
      follow({ pageSize });
      await server.watched();
      server.put(path("a"), { color: "green" });
      server.put(path("b"), { color: "green" });
      server.put(path("c"), { color: "green" });
      await seen("+shop/c green");
      await server.stop();
      server.restore(backup);
      // The same version as before, for another change of the same object.
      server.put(path("a"), { color: "black" });
      await server.start();
      await synced(2);
      expect(words().slice(6)).toEqual(["~shop/a black", "~shop/b red", "-shop/c", "synced"]);
      await server.watched();
      server.put(path("b"), { color: "white" });
      await seen("~shop/b white");
    });
  }

  it("relists when a watch goes back in time without a break", async () => {
    server.put(path("a"), { color: "red" });
    follow();
    await server.watched();
    const object = { metadata: { name: "a", namespace: "shop", resourceVersion: "7" }, color: "old" };
    server.writeToWatches(`${JSON.stringify({ type: "MODIFIED", object })}\n`);
    await synced(2);
    expect(words()).toEqual(["+shop/a red", "synced", "synced"]);
  });

  it("keeps an object that can no longer be read as it was, reports it, and holds up no other", async () => {
    server.put(path("a"), { color: "red" });
    server.put(path("b"), { color: 7 });
    server.put(path("c"), { color: "red" });
    follow();
    await server.watched();
    expect(words()).toEqual(["+shop/a red", "+shop/c red", "synced"]);
    server.put(path("a"), { color: 8 });
    server.put(path("c"), { color: "green" });
    await seen("~shop/c green");
    server.put(path("b"), { color: "blue" });
    await seen("+shop/b blue");
    server.remove(path("a"));
    await seen("-shop/a");
    expect(problems).toMatchObject([
      { kind: "unreadable", key: "shop/b" },
      { kind: "unreadable", key: "shop/a" },
    ]);
  });

  it("passes over what is no object at all", async () => {
    server.intercept(isList, (_request, response) =>
      answerJson(response, 200, {
        metadata: { resourceVersion: "100" },
        items: [
          null,
          7,
          {},
          { metadata: { name: "x" } },
          { metadata: { name: "a", namespace: "shop", resourceVersion: "3" }, color: "red" },
        ],
      }),
    );
    follow();
    await synced(1);
    expect(words()).toEqual(["+shop/a red", "synced"]);
    expect(problems).toHaveLength(4);
  });

  it("gives objects of a list and of a watch in one shape", async () => {
    const shapes: unknown[] = [];
    server.put(path("a"), { color: "red" });
    follow({
      project: (raw) => {
        const { kind, apiVersion } = raw as { kind?: string; apiVersion?: string };
        shapes.push({ kind, apiVersion });
        return project(raw);
      },
    });
    await server.watched();
    server.put(path("b"), { kind: "Pod", apiVersion: "v1", color: "red" });
    await seen("+shop/b red");
    expect(shapes).toEqual(Array(2).fill({ kind: "Pod", apiVersion: "v1" }));
  });

  it("ends its watch when nobody listens any more", async () => {
    follow();
    await server.watched();
    following?.unsubscribe();
    while (server.watchers > 0) await new Promise((resolve) => setImmediate(resolve));
  });
});
