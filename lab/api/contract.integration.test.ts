import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type ContractClient, createContractClient } from "./contract/client.ts";
import { type ServerUnderTest, startServerUnderTest } from "./contract/server.ts";

/**
 * What clients may expect of a Kubernetes API server. Runs against our own; with OVENBIRD_CONTRACT_KUBECONFIG or
 * KUBECONFIG against a real one.
 */

let server: ServerUnderTest;
let api: ContractClient;
const namespace = `contract-${process.pid}`;
const core = `/api/v1/namespaces/${namespace}`;
const strategic = { "content-type": "application/strategic-merge-patch+json" };
const merge = { "content-type": "application/merge-patch+json" };

/** Nothing schedules it, on a real cluster neither. */
const pod = (name: string, extra: object = {}, labels: Record<string, string> = {}) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, labels },
  spec: {
    schedulerName: "nobody",
    containers: [{ name: "main", image: "example.invalid/probe:1", ports: [{ containerPort: 80 }] }],
    ...extra,
  },
});
const configMap = (name: string, data: Record<string, string> = {}, metadata: object = {}) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, ...metadata },
  data,
});

/** Waits for what a server does in the background. */
function eventually(check: () => Promise<void>): Promise<void> {
  return vi.waitFor(check, { timeout: 60_000, interval: 50 });
}

function gone(path: string): Promise<void> {
  return eventually(async () => expect((await api.send("GET", path)).status).toBe(404));
}

beforeAll(async () => {
  server = await startServerUnderTest(["--bookmark-seconds", "1", "--history", "50"]);
  api = createContractClient(server.kubeconfig);
  const created = await api.send("POST", "/api/v1/namespaces", {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: namespace },
  });
  expect(created.status).toBe(201);
  // Pods are refused until the namespace has its service account, on a real cluster.
  await eventually(async () => expect((await api.send("GET", `${core}/serviceaccounts/default`)).status).toBe(200));
});

afterAll(async () => {
  try {
    await api.send("DELETE", `/api/v1/namespaces/${namespace}`);
  } finally {
    api.close();
    await server.stop();
  }
});

describe("creation", () => {
  it("answers 201 with uid, timestamp and defaults", async () => {
    const { status, body } = await api.send("POST", `${core}/pods`, pod("fresh"));
    expect(status).toBe(201);
    expect(body.metadata).toMatchObject({ name: "fresh", namespace, uid: expect.stringMatching(/^[0-9a-f-]{36}$/) });
    expect(body.metadata.creationTimestamp).toMatch(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/);
    expect(body.spec).toMatchObject({
      restartPolicy: "Always",
      dnsPolicy: "ClusterFirst",
      terminationGracePeriodSeconds: 30,
      serviceAccountName: "default",
    });
    expect(body.spec.containers[0]).toMatchObject({
      imagePullPolicy: "IfNotPresent",
      ports: [{ containerPort: 80, protocol: "TCP" }],
    });
    expect(body.status).toMatchObject({ phase: "Pending", qosClass: "BestEffort" });
  });

  it("refuses a second object of the same name with 409 AlreadyExists", async () => {
    await api.send("POST", `${core}/configmaps`, configMap("twice"));
    const { status, body } = await api.send("POST", `${core}/configmaps`, configMap("twice"));
    expect(status).toBe(409);
    expect(body).toMatchObject({
      kind: "Status",
      status: "Failure",
      reason: "AlreadyExists",
      details: { name: "twice", kind: "configmaps" },
    });
  });

  it("makes a name from generateName", async () => {
    const { status, body } = await api.send("POST", `${core}/configmaps`, {
      ...configMap("x"),
      metadata: { generateName: "made-" },
    });
    expect(status).toBe(201);
    expect(body.metadata.name).toMatch(/^made-[a-z0-9]{5}$/);
  });

  it("refuses what breaks rules with 422 and a cause per fault", async () => {
    const { status, body } = await api.send("POST", `${core}/pods`, {
      ...pod("Bad_Name"),
      spec: { containers: [{ name: "a", image: "x", ports: [{ containerPort: 99_999 }] }] },
    });
    expect(status).toBe(422);
    expect(body).toMatchObject({ reason: "Invalid", details: { kind: "Pod" } });
    const fields = body.details.causes.map(({ field }: { field: string }) => field);
    expect(fields).toEqual(expect.arrayContaining(["metadata.name", "spec.containers[0].ports[0].containerPort"]));
  });

  it("refuses an unknown namespace with 404 and a wrong one with 400", async () => {
    const missing = await api.send("POST", "/api/v1/namespaces/no-such-namespace/configmaps", configMap("x"));
    expect(missing).toMatchObject({ status: 404, body: { details: { kind: "namespaces" } } });
    const wrong = await api.send("POST", `${core}/configmaps`, configMap("x", {}, { namespace: "default" }));
    expect(wrong.status).toBe(400);
  });

  it("stores nothing on a dry run", async () => {
    const { status, body } = await api.send("POST", `${core}/configmaps?dryRun=All`, configMap("dry"));
    expect([status, body.metadata.name]).toEqual([201, "dry"]);
    expect((await api.send("GET", `${core}/configmaps/dry`)).status).toBe(404);
  });

  it("gives services addresses and node ports, and no address twice", async () => {
    const service = (name: string, spec: object) => ({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name },
      spec: { ports: [{ port: 80 }], ...spec },
    });
    const first = await api.send("POST", `${core}/services`, service("one", { type: "NodePort" }));
    expect(first.body.spec).toMatchObject({
      type: "NodePort",
      sessionAffinity: "None",
      internalTrafficPolicy: "Cluster",
    });
    expect(first.body.spec.ports[0].nodePort).toBeGreaterThanOrEqual(30_000);
    const taken = await api.send("POST", `${core}/services`, service("two", { clusterIP: first.body.spec.clusterIP }));
    expect(taken).toMatchObject({ status: 422, body: { details: { causes: [{ field: "spec.clusterIPs[0]" }] } } });
    const headless = await api.send("POST", `${core}/services`, service("three", { clusterIP: "None" }));
    expect(headless.body.spec.clusterIPs).toEqual(["None"]);
    const outside = await api.send("POST", `${core}/services`, service("four", { clusterIP: "203.0.113.1" }));
    expect(outside.status).toBe(422);
  });
});

describe("garbage", () => {
  it.each([
    ["broken JSON", '{"kind":', 400],
    ["a list", "[1,2]", 400],
    ["another kind", JSON.stringify({ apiVersion: "v1", kind: "Secret", metadata: { name: "x" } }), 400],
    ["no kind", JSON.stringify({ metadata: { name: "x" } }), 400],
    ["a name that is no string", '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":{}}}', 400],
    ["a field of the wrong type", '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":"text"}', 400],
  ])("%s is refused", async (_what, body, code) => {
    const answer = await api.send("POST", `${core}/configmaps`, body);
    expect(answer).toMatchObject({ status: code, body: { kind: "Status" } });
  });

  it("bytes that are no UTF-8 are refused or replaced, never stored", async () => {
    const body = Buffer.concat([
      Buffer.from('{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"utf"},"data":{"k":"'),
      Buffer.from([0xff, 0xfe]),
      Buffer.from('"}}'),
    ]);
    const answer = await api.send("POST", `${core}/configmaps`, body);
    if (server.embedded) expect(answer.status).toBe(400);
    else expect(answer.text).not.toContain("\u{0}");
  });

  it("a body beyond the limit is refused with 413", async () => {
    const answer = await api
      .send("POST", `${core}/configmaps`, configMap("huge", { k: "x".repeat(4 * 1024 * 1024) }))
      .catch((error: NodeJS.ErrnoException) => error.code);
    // The server may close the connection while the client still writes.
    expect([413, "EPIPE", "ECONNRESET"]).toContain(typeof answer === "object" ? answer.status : answer);
  });

  it("nesting without end is refused", async () => {
    const answer = await api.send("POST", `${core}/configmaps`, `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`);
    expect(answer.status).toBe(400);
  });

  it("an unknown media type is refused with 415", async () => {
    const created = await api.send("POST", `${core}/configmaps`, configMap("media"), { "content-type": "text/html" });
    expect(created).toMatchObject({ status: 415, body: { reason: "UnsupportedMediaType" } });
    await api.send("POST", `${core}/configmaps`, configMap("media"));
    const patched = await api.send("PATCH", `${core}/configmaps/media`, {}, { "content-type": "application/json" });
    expect(patched.status).toBe(415);
  });

  it("unknown paths, resources and methods are 404 and 405", async () => {
    expect((await api.send("GET", "/nothing/here")).status).toBe(404);
    expect((await api.send("GET", "/api/v1/nothings")).status).toBe(404);
    expect((await api.send("GET", "/apis/nobody.example/v1/things")).status).toBe(404);
    expect((await api.send("PUT", `${core}/configmaps`, {})).status).toBe(405);
  });
});

describe("update", () => {
  it("refuses a stale resourceVersion with 409 Conflict", async () => {
    const { body } = await api.send("POST", `${core}/configmaps`, configMap("stale", { a: "1" }));
    const second = await api.send("PUT", `${core}/configmaps/stale`, { ...body, data: { a: "2" } });
    expect(second.status).toBe(200);
    const third = await api.send("PUT", `${core}/configmaps/stale`, { ...body, data: { a: "3" } });
    expect(third).toMatchObject({ status: 409, body: { reason: "Conflict" } });
  });

  it("keeps the resourceVersion when nothing changes", async () => {
    const { body } = await api.send("POST", `${core}/configmaps`, configMap("same", { a: "1" }));
    const again = await api.send("PATCH", `${core}/configmaps/same`, { data: { a: "1" } }, merge);
    expect(again.body.metadata.resourceVersion).toBe(body.metadata.resourceVersion);
  });

  it("refuses another uid with 409", async () => {
    const { body } = await api.send("POST", `${core}/configmaps`, configMap("uid"));
    const wrong = { ...body, metadata: { ...body.metadata, uid: "00000000-0000-0000-0000-000000000000" } };
    expect((await api.send("PUT", `${core}/configmaps/uid`, wrong)).status).toBe(409);
    const deletion = {
      kind: "DeleteOptions",
      apiVersion: "v1",
      preconditions: { uid: "00000000-0000-0000-0000-000000000000" },
    };
    expect((await api.send("DELETE", `${core}/configmaps/uid`, deletion)).status).toBe(409);
  });

  it("leaves the spec alone on /status and the status elsewhere", async () => {
    await api.send("POST", `${core}/pods`, pod("halves"));
    const onStatus = await api.send(
      "PATCH",
      `${core}/pods/halves/status`,
      { spec: { nodeName: "x" }, status: { message: "hello" } },
      merge,
    );
    expect(onStatus.body.status.message).toBe("hello");
    expect(onStatus.body.spec.nodeName).toBeUndefined();
    const elsewhere = await api.send(
      "PATCH",
      `${core}/pods/halves`,
      { metadata: { labels: { a: "b" } }, status: { message: "changed" } },
      merge,
    );
    expect(elsewhere.body.status.message).toBe("hello");
    expect(elsewhere.body.metadata.labels).toEqual({ a: "b" });
  });

  it("doesn't let a pod's spec change", async () => {
    await api.send("POST", `${core}/pods`, pod("fixed"));
    const { status, body } = await api.send("PATCH", `${core}/pods/fixed`, { spec: { hostNetwork: true } }, merge);
    expect(status).toBe(422);
    expect(body.details.causes[0]).toMatchObject({ field: "spec", reason: "FieldValueForbidden" });
  });

  it("counts generations of the spec only", async () => {
    const template = {
      metadata: { labels: { a: "b" } },
      spec: { schedulerName: "nobody", containers: [{ name: "main", image: "x:1" }] },
    };
    const deployment = {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "counted" },
      spec: { replicas: 0, selector: { matchLabels: { a: "b" } }, template },
    };
    const path = `/apis/apps/v1/namespaces/${namespace}/deployments`;
    expect((await api.send("POST", path, deployment)).body.metadata.generation).toBe(1);
    const labelled = await api.send("PATCH", `${path}/counted`, { metadata: { labels: { x: "y" } } }, merge);
    expect(labelled.body.metadata.generation).toBe(1);
    const changed = await api.send(
      "PATCH",
      `${path}/counted`,
      { spec: { template: { spec: { containers: [{ name: "main", env: [{ name: "A", value: "1" }] }] } } } },
      strategic,
    );
    expect(changed.body.metadata.generation).toBe(2);
    expect(changed.body.spec.template.spec.containers).toMatchObject([
      { name: "main", image: "x:1", env: [{ name: "A", value: "1" }] },
    ]);
  });
});

describe("patches", () => {
  it("JSON patch adds, tests and removes; a failed test changes nothing", async () => {
    await api.send("POST", `${core}/configmaps`, configMap("json-patch", { a: "1" }));
    const json = { "content-type": "application/json-patch+json" };
    const ok = await api.send(
      "PATCH",
      `${core}/configmaps/json-patch`,
      [
        { op: "test", path: "/data/a", value: "1" },
        { op: "add", path: "/data/b", value: "2" },
        { op: "remove", path: "/data/a" },
      ],
      json,
    );
    expect(ok.body.data).toEqual({ b: "2" });
    const failed = await api.send(
      "PATCH",
      `${core}/configmaps/json-patch`,
      [
        { op: "add", path: "/data/c", value: "3" },
        { op: "test", path: "/data/b", value: "9" },
      ],
      json,
    );
    expect(failed.status).toBe(422);
    expect((await api.send("GET", `${core}/configmaps/json-patch`)).body.data).toEqual({ b: "2" });
  });

  it("merge patch removes by null", async () => {
    await api.send("POST", `${core}/configmaps`, configMap("merge-patch", { a: "1", b: "2" }));
    const { body } = await api.send("PATCH", `${core}/configmaps/merge-patch`, { data: { a: null, c: "3" } }, merge);
    expect(body.data).toEqual({ b: "2", c: "3" });
  });

  it("strategic merge patch merges conditions by type and deletes by directive", async () => {
    await api.send("POST", `${core}/pods`, pod("conditions"));
    const condition = (type: string, status: string) => ({ type, status, lastTransitionTime: "2026-01-01T00:00:00Z" });
    await api.send(
      "PATCH",
      `${core}/pods/conditions/status`,
      { status: { conditions: [condition("example.com/a", "False"), condition("example.com/b", "True")] } },
      strategic,
    );
    const { body } = await api.send(
      "PATCH",
      `${core}/pods/conditions/status`,
      { status: { conditions: [condition("example.com/a", "True"), { type: "example.com/b", $patch: "delete" }] } },
      strategic,
    );
    expect(
      body.status.conditions.filter(({ type }: { type: string }) => type.startsWith("example.com/")),
    ).toMatchObject([{ type: "example.com/a", status: "True" }]);
  });

  it("a patch with a stale resourceVersion is refused with 409", async () => {
    const { body } = await api.send("POST", `${core}/configmaps`, configMap("patch-stale", { a: "1" }));
    const { resourceVersion } = body.metadata;
    expect(
      (
        await api.send(
          "PATCH",
          `${core}/configmaps/patch-stale`,
          { metadata: { resourceVersion }, data: { a: "2" } },
          merge,
        )
      ).status,
    ).toBe(200);
    expect(
      (
        await api.send(
          "PATCH",
          `${core}/configmaps/patch-stale`,
          { metadata: { resourceVersion }, data: { a: "3" } },
          merge,
        )
      ).status,
    ).toBe(409);
  });

  it("server-side apply creates and changes", async () => {
    const apply = { "content-type": "application/apply-patch+yaml" };
    const path = `${core}/configmaps/applied?fieldManager=contract`;
    const created = await api.send("PATCH", path, configMap("applied", { a: "1" }), apply);
    expect(created.status).toBe(201);
    const changed = await api.send("PATCH", path, configMap("applied", { a: "2" }), apply);
    expect([changed.status, changed.body.data]).toEqual([200, { a: "2" }]);
  });
});

describe("lists", () => {
  it("page consistently while objects come and go", async () => {
    const names = ["p1", "p2", "p3", "p4", "p5"];
    for (const name of names)
      await api.send("POST", `${core}/configmaps`, configMap(name, {}, { labels: { paged: "yes" } }));
    const path = `${core}/configmaps?labelSelector=paged%3Dyes&limit=2`;
    const first = await api.send("GET", path);
    await api.send("DELETE", `${core}/configmaps/p4`);
    await api.send("POST", `${core}/configmaps`, configMap("p6", {}, { labels: { paged: "yes" } }));
    const second = await api.send("GET", `${path}&continue=${encodeURIComponent(first.body.metadata.continue)}`);
    const third = await api.send("GET", `${path}&continue=${encodeURIComponent(second.body.metadata.continue)}`);
    const seen = [first, second, third].flatMap(({ body }) =>
      body.items.map((item: { metadata: { name: string } }) => item.metadata.name),
    );
    expect(seen).toEqual(names);
    expect(third.body.metadata.continue ?? "").toBe("");
    expect(third.body.metadata.resourceVersion).toBe(first.body.metadata.resourceVersion);
  });

  it("refuse a continue token that nobody gave", async () => {
    const { status } = await api.send("GET", `${core}/configmaps?limit=1&continue=garbage`);
    expect(status).toBe(400);
  });

  it("select by labels with every operator", async () => {
    for (const [name, labels] of Object.entries({ l1: { tier: "a", x: "1" }, l2: { tier: "b" }, l3: { other: "c" } })) {
      await api.send("POST", `${core}/secrets`, { apiVersion: "v1", kind: "Secret", metadata: { name, labels } });
    }
    const select = async (selector: string) => {
      const { body } = await api.send("GET", `${core}/secrets?labelSelector=${encodeURIComponent(selector)}`);
      return body.items
        .map((item: { metadata: { name: string } }) => item.metadata.name)
        .filter((name: string) => /^l\d$/.test(name));
    };
    expect(await select("tier=a")).toEqual(["l1"]);
    expect(await select("tier==a,x")).toEqual(["l1"]);
    expect(await select("tier!=a")).toEqual(["l2", "l3"]);
    expect(await select("tier in (a,b)")).toEqual(["l1", "l2"]);
    expect(await select("tier notin (a)")).toEqual(["l2", "l3"]);
    expect(await select("!tier")).toEqual(["l3"]);
    expect(await select("tier,!x")).toEqual(["l2"]);
    expect((await api.send("GET", `${core}/secrets?labelSelector=${encodeURIComponent("a b c")}`)).status).toBe(400);
  });

  it("select by fields, and refuse fields that the kind doesn't offer", async () => {
    await api.send("POST", `${core}/pods`, pod("on-a-node", { nodeName: "no-such-node" }));
    const { body } = await api.send(
      "GET",
      `${core}/pods?fieldSelector=spec.nodeName%3Dno-such-node,status.phase!%3DRunning`,
    );
    expect(body.items.map((item: { metadata: { name: string } }) => item.metadata.name)).toEqual(["on-a-node"]);
    expect((await api.send("GET", `${core}/pods?fieldSelector=spec.foo%3Dx`)).status).toBe(400);
    await api.send("DELETE", `${core}/pods/on-a-node?gracePeriodSeconds=0`);
  });

  it("come as tables and as metadata only", async () => {
    await api.send("POST", `${core}/pods`, pod("shown"));
    const table = await api.send("GET", `${core}/pods/shown`, undefined, {
      accept: "application/json;as=Table;v=v1;g=meta.k8s.io",
    });
    const columns = table.body.columnDefinitions.map(({ name }: { name: string }) => name);
    expect(columns.slice(0, 5)).toEqual(["Name", "Ready", "Status", "Restarts", "Age"]);
    expect(table.body.rows[0].cells.slice(0, 3)).toEqual(["shown", "0/1", "Pending"]);
    const partial = await api.send("GET", `${core}/pods`, undefined, {
      accept: "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
    });
    expect(partial.body.kind).toBe("PartialObjectMetadataList");
    expect(partial.body.items[0].spec).toBeUndefined();
  });

  it("of a resourceVersion yet to come are refused with 504", async () => {
    const { status, body } = await api.send(
      "GET",
      `${core}/configmaps?resourceVersion=999999999999&resourceVersionMatch=NotOlderThan`,
    );
    expect([status, body.reason]).toEqual([504, "Timeout"]);
  });
});

describe("watches", () => {
  const names = `${core}/configmaps`;

  it("go on from a list without a gap", async () => {
    const { body: list } = await api.send("GET", names);
    const { body: made } = await api.send("POST", names, configMap("seen"));
    const watch = await api.watch(`${names}?watch=true&resourceVersion=${list.metadata.resourceVersion}`);
    expect(await watch.next()).toMatchObject({
      type: "ADDED",
      object: { kind: "ConfigMap", metadata: { name: "seen", uid: made.metadata.uid } },
    });
    await api.send("PATCH", `${names}/seen`, { data: { a: "1" } }, merge);
    expect(await watch.next()).toMatchObject({ type: "MODIFIED", object: { data: { a: "1" } } });
    await api.send("DELETE", `${names}/seen`);
    expect(await watch.next()).toMatchObject({ type: "DELETED", object: { metadata: { name: "seen" } } });
    watch.close();
  });

  it("show an object that leaves the selection as deleted, one that enters as added", async () => {
    const { body: list } = await api.send("GET", names);
    const watch = await api.watch(
      `${names}?watch=true&labelSelector=role%3Dyes&resourceVersion=${list.metadata.resourceVersion}`,
    );
    await api.send("POST", names, configMap("mover"));
    await api.send("PATCH", `${names}/mover`, { metadata: { labels: { role: "yes" } } }, merge);
    expect(await watch.next()).toMatchObject({ type: "ADDED", object: { metadata: { name: "mover" } } });
    await api.send("PATCH", `${names}/mover`, { metadata: { labels: { role: "no" } } }, merge);
    expect(await watch.next()).toMatchObject({ type: "DELETED", object: { metadata: { name: "mover" } } });
    watch.close();
  });

  it("begin with the state of now when no resourceVersion is given", async () => {
    await api.send("POST", names, configMap("initial", {}, { labels: { first: "yes" } }));
    const watch = await api.watch(`${names}?watch=true&labelSelector=first%3Dyes`);
    expect(await watch.next()).toMatchObject({ type: "ADDED", object: { metadata: { name: "initial" } } });
    watch.close();
  });

  it("stream the initial state and mark its end on request", async () => {
    await api.send("POST", names, configMap("streamed", {}, { labels: { stream: "yes" } }));
    const watch = await api.watch(
      `${names}?watch=true&labelSelector=stream%3Dyes&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan`,
    );
    expect(await watch.next()).toMatchObject({ type: "ADDED", object: { metadata: { name: "streamed" } } });
    const mark = await watch.next();
    expect(mark).toMatchObject({
      type: "BOOKMARK",
      object: { metadata: { annotations: { "k8s.io/initial-events-end": "true" } } },
    });
    watch.close();
  });

  it("send bookmarks on request and end after timeoutSeconds", async () => {
    const { body: list } = await api.send("GET", names);
    const watch = await api.watch(
      `${names}?watch=true&allowWatchBookmarks=true&timeoutSeconds=3&resourceVersion=${list.metadata.resourceVersion}`,
    );
    await api.send("POST", `${core}/secrets`, { apiVersion: "v1", kind: "Secret", metadata: { name: "elsewhere" } });
    const events = [];
    for (let event = await watch.next(); event !== undefined; event = await watch.next()) events.push(event);
    const bookmarks = events.filter(({ type }) => type === "BOOKMARK");
    expect(bookmarks.length).toBeGreaterThan(0);
    expect(Number(bookmarks.at(-1)?.object.metadata.resourceVersion)).toBeGreaterThanOrEqual(
      Number(list.metadata.resourceVersion),
    );
  });

  it("from a forgotten resourceVersion end in 410", async () => {
    await api.send("POST", names, configMap("busy"));
    for (let turn = 0; turn < 120; turn += 1)
      await api.send("PATCH", `${names}/busy`, { data: { turn: String(turn) } }, merge);
    const watch = await api.watch(`${names}?watch=true&resourceVersion=1`);
    const event = watch.status === 410 ? { type: "ERROR", object: { code: 410 } } : await watch.next();
    expect(event).toMatchObject({ type: "ERROR", object: { code: 410 } });
    watch.close();
  });

  it("come as table rows too", async () => {
    const { body: list } = await api.send("GET", names);
    const watch = await api.watch(`${names}?watch=true&resourceVersion=${list.metadata.resourceVersion}`, {
      accept: "application/json;as=Table;v=v1;g=meta.k8s.io",
    });
    await api.send("POST", names, configMap("row", { a: "1", b: "2" }));
    expect(await watch.next()).toMatchObject({
      type: "ADDED",
      object: { kind: "Table", rows: [{ cells: ["row", 2, expect.any(String)] }] },
    });
    watch.close();
  });
});

describe("deletion", () => {
  it("waits for finalizers", async () => {
    await api.send("POST", `${core}/configmaps`, configMap("held", {}, { finalizers: ["example.com/hold"] }));
    const { body } = await api.send("DELETE", `${core}/configmaps/held`);
    expect(body.metadata.deletionTimestamp).toBeDefined();
    expect((await api.send("GET", `${core}/configmaps/held`)).status).toBe(200);
    const more = await api.send(
      "PATCH",
      `${core}/configmaps/held`,
      { metadata: { finalizers: ["example.com/hold", "example.com/more"] } },
      merge,
    );
    expect(more.status).toBe(422);
    await api.send("PATCH", `${core}/configmaps/held`, { metadata: { finalizers: null } }, merge);
    await gone(`${core}/configmaps/held`);
  });

  it("of a pod that runs waits for its kubelet, of one that was never scheduled not", async () => {
    await api.send("POST", `${core}/pods`, pod("never"));
    expect((await api.send("DELETE", `${core}/pods/never`)).status).toBe(200);
    await gone(`${core}/pods/never`);
    await api.send("POST", `${core}/pods`, pod("placed", { nodeName: "no-such-node" }));
    const { body } = await api.send("DELETE", `${core}/pods/placed`);
    expect(body.metadata).toMatchObject({ deletionGracePeriodSeconds: 30 });
    expect((await api.send("GET", `${core}/pods/placed`)).status).toBe(200);
    await api.send("DELETE", `${core}/pods/placed`, { kind: "DeleteOptions", apiVersion: "v1", gracePeriodSeconds: 0 });
    await gone(`${core}/pods/placed`);
  });

  it("of an owner takes its dependents along, unless they are to be orphaned", async () => {
    for (const [policy, expected] of [
      ["Background", 404],
      ["Orphan", 200],
      ["Foreground", 404],
    ] as const) {
      const suffix = policy.toLowerCase();
      const { body: owner } = await api.send("POST", `${core}/configmaps`, configMap(`owner-${suffix}`));
      const ownerReferences = [
        {
          apiVersion: "v1",
          kind: "ConfigMap",
          name: owner.metadata.name,
          uid: owner.metadata.uid,
          blockOwnerDeletion: true,
        },
      ];
      await api.send("POST", `${core}/configmaps`, configMap(`child-${suffix}`, {}, { ownerReferences }));
      await api.send("DELETE", `${core}/configmaps/owner-${suffix}?propagationPolicy=${policy}`);
      await gone(`${core}/configmaps/owner-${suffix}`);
      await expect
        .poll(async () => (await api.send("GET", `${core}/configmaps/child-${suffix}`)).status, { timeout: 60_000 })
        .toBe(expected);
    }
  });

  it("of a collection takes what is selected", async () => {
    for (const name of ["c1", "c2"])
      await api.send("POST", `${core}/configmaps`, configMap(name, {}, { labels: { sweep: name } }));
    await api.send("DELETE", `${core}/configmaps?labelSelector=sweep%3Dc1`);
    expect((await api.send("GET", `${core}/configmaps/c1`)).status).toBe(404);
    expect((await api.send("GET", `${core}/configmaps/c2`)).status).toBe(200);
  });

  it("of a namespace empties it and refuses new content meanwhile", async () => {
    const name = `${namespace}-doomed`;
    await api.send("POST", "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name } });
    await api.send(
      "POST",
      `/api/v1/namespaces/${name}/configmaps`,
      configMap("held", {}, { finalizers: ["example.com/hold"] }),
    );
    const { body } = await api.send("DELETE", `/api/v1/namespaces/${name}`);
    expect(body.status.phase).toBe("Terminating");
    const refused = await api.send("POST", `/api/v1/namespaces/${name}/configmaps`, configMap("late"));
    expect(refused).toMatchObject({ status: 403, body: { reason: "Forbidden" } });
    const held = `/api/v1/namespaces/${name}/configmaps/held`;
    await eventually(async () => expect((await api.send("GET", held)).body.metadata?.deletionTimestamp).toBeDefined());
    await api.send("PATCH", held, { metadata: { finalizers: null } }, merge);
    await gone(`/api/v1/namespaces/${name}`);
  });
});

describe("pods", () => {
  it("are bound once", async () => {
    await api.send("POST", `${core}/pods`, pod("bound"));
    const binding = {
      apiVersion: "v1",
      kind: "Binding",
      metadata: { name: "bound" },
      target: { apiVersion: "v1", kind: "Node", name: "no-such-node" },
    };
    expect((await api.send("POST", `${core}/pods/bound/binding`, binding)).status).toBe(201);
    expect((await api.send("GET", `${core}/pods/bound`)).body.spec.nodeName).toBe("no-such-node");
    expect((await api.send("POST", `${core}/pods/bound/binding`, binding)).status).toBe(409);
    await api.send("DELETE", `${core}/pods/bound?gracePeriodSeconds=0`);
  });

  it("are evicted", async () => {
    await api.send("POST", `${core}/pods`, pod("evicted"));
    const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name: "evicted", namespace } };
    expect((await api.send("POST", `${core}/pods/evicted/eviction`, eviction)).status).toBe(201);
    await gone(`${core}/pods/evicted`);
  });
});

describe("events", () => {
  it("are the same objects in both groups", async () => {
    const event = {
      apiVersion: "v1",
      kind: "Event",
      metadata: { name: "told" },
      involvedObject: { apiVersion: "v1", kind: "Pod", namespace, name: "somebody" },
      reason: "Because",
      message: "it was so",
      type: "Warning",
      count: 2,
      source: { component: "contract" },
      firstTimestamp: "2026-01-01T00:00:00Z",
      lastTimestamp: "2026-01-01T00:00:00Z",
    };
    expect((await api.send("POST", `${core}/events`, event)).status).toBe(201);
    const selected = await api.send(
      "GET",
      `${core}/events?fieldSelector=involvedObject.name%3Dsomebody,type%3DWarning`,
    );
    expect(selected.body.items).toHaveLength(1);
    const newer = await api.send("GET", `/apis/events.k8s.io/v1/namespaces/${namespace}/events/told`);
    expect(newer.body).toMatchObject({
      apiVersion: "events.k8s.io/v1",
      note: "it was so",
      regarding: { name: "somebody" },
      deprecatedCount: 2,
    });
  });
});

describe("discovery", () => {
  it("names groups, versions and resources", async () => {
    expect((await api.send("GET", "/version")).body.major).toBe("1");
    expect((await api.send("GET", "/api")).body.versions).toContain("v1");
    const groups = (await api.send("GET", "/apis")).body.groups.map(({ name }: { name: string }) => name);
    expect(groups).toEqual(
      expect.arrayContaining([
        "apps",
        "coordination.k8s.io",
        "discovery.k8s.io",
        "networking.k8s.io",
        "apiextensions.k8s.io",
      ]),
    );
    const { resources } = (await api.send("GET", "/api/v1")).body;
    expect(resources).toContainEqual(
      expect.objectContaining({ name: "pods", kind: "Pod", namespaced: true, shortNames: ["po"] }),
    );
    expect(resources).toContainEqual(expect.objectContaining({ name: "pods/status" }));
    const all = await api.send("GET", "/apis", undefined, {
      accept: "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json",
    });
    expect(all.body.kind).toBe("APIGroupDiscoveryList");
  });

  it("says that it is well", async () => {
    for (const path of ["/healthz", "/readyz", "/livez"]) expect((await api.send("GET", path)).text).toBe("ok");
  });
});

describe("custom resources", () => {
  const group = "contract.ovenbird.io";
  const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
  const widgets = `/apis/${group}/v1/namespaces/${namespace}/widgets`;
  const widget = (name: string, spec: object) => ({
    apiVersion: `${group}/v1`,
    kind: "Widget",
    metadata: { name },
    spec,
  });
  const definition = {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `widgets.${group}` },
    spec: {
      group,
      scope: "Namespaced",
      names: { plural: "widgets", kind: "Widget" },
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: [
            { name: "Size", type: "integer", jsonPath: ".spec.size" },
            { name: "Ready", type: "string", jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
          ],
          schema: {
            openAPIV3Schema: {
              type: "object",
              properties: {
                spec: {
                  type: "object",
                  required: ["size"],
                  properties: {
                    size: { type: "integer", minimum: 1, maximum: 10 },
                    color: { type: "string", enum: ["red", "blue"], default: "red" },
                    port: { "x-kubernetes-int-or-string": true },
                  },
                },
                status: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
              },
            },
          },
        },
      ],
    },
  };

  beforeAll(async () => {
    expect((await api.send("POST", definitions, definition)).status).toBe(201);
    await eventually(async () => {
      const { body } = await api.send("GET", `${definitions}/widgets.${group}`);
      expect(body.status.conditions).toContainEqual(expect.objectContaining({ type: "Established", status: "True" }));
    });
    await eventually(async () => expect((await api.send("GET", widgets)).status).toBe(200));
  });

  afterAll(async () => {
    await api.send("POST", widgets, widget("left-over", { size: 1 }));
    await api.send("DELETE", `${definitions}/widgets.${group}`);
    await gone(`${definitions}/widgets.${group}`);
    await gone(widgets);
  });

  it("are defaulted and pruned", async () => {
    const { status, body } = await api.send("POST", widgets, widget("plain", { size: 3, junk: true, port: "http" }));
    expect(status).toBe(201);
    expect(body.spec).toEqual({ size: 3, color: "red", port: "http" });
    expect(body.metadata.generation).toBe(1);
  });

  it("are validated by their schema", async () => {
    const { status, body } = await api.send("POST", widgets, widget("wrong", { size: 30, color: "green" }));
    expect(status).toBe(422);
    const fields = body.details.causes.map(({ field }: { field: string }) => field).sort();
    expect(fields).toEqual(["spec.color", "spec.size"]);
    const typed = await api.send("POST", widgets, widget("typed", { size: "three" }));
    expect(typed).toMatchObject({
      status: 422,
      body: { details: { causes: [{ reason: "FieldValueTypeInvalid", field: "spec.size" }] } },
    });
    const missing = await api.send("POST", widgets, widget("missing", {}));
    expect(missing).toMatchObject({
      status: 422,
      body: { details: { causes: [{ reason: "FieldValueRequired", field: "spec.size" }] } },
    });
  });

  it("refuse unknown fields on strict validation", async () => {
    const { status } = await api.send(
      "POST",
      `${widgets}?fieldValidation=Strict`,
      widget("strict", { size: 3, junk: true }),
    );
    expect(status).toBe(400);
  });

  it("have a status of their own and columns", async () => {
    await api.send("POST", widgets, widget("shown", { size: 4 }));
    const patched = await api.send(
      "PATCH",
      `${widgets}/shown/status`,
      { spec: { size: 9 }, status: { conditions: [{ type: "Ready", status: "True" }] } },
      merge,
    );
    expect(patched.body).toMatchObject({ spec: { size: 4 }, metadata: { generation: 1 } });
    const table = await api.send("GET", `${widgets}/shown`, undefined, {
      accept: "application/json;as=Table;v=v1;g=meta.k8s.io",
    });
    expect(table.body.rows[0].cells.slice(0, 3)).toEqual(["shown", 4, "True"]);
    const changed = await api.send("PATCH", `${widgets}/shown`, { spec: { size: 5 } }, merge);
    expect(changed.body.metadata.generation).toBe(2);
  });

  it("don't know strategic merge patches", async () => {
    await api.send("POST", widgets, widget("strategic", { size: 1 }));
    expect((await api.send("PATCH", `${widgets}/strategic`, {}, strategic)).status).toBe(415);
  });

  it("whose definition isn't structural are refused", async () => {
    const broken = structuredClone(definition);
    Object.assign(broken.metadata, { name: `gadgets.${group}` });
    Object.assign(broken.spec.names, { plural: "gadgets", kind: "Gadget" });
    Object.assign(broken.spec.versions[0]?.schema.openAPIV3Schema.properties ?? {}, {
      untyped: { description: "no type" },
    });
    expect((await api.send("POST", definitions, broken)).status).toBe(422);
  });
});
