import { describe, expect, it } from "vitest";
import type { AclRow } from "../explain/acl-answer.ts";
import { modelOfObjects } from "../explain/model-of-objects.ts";
import { policyApi } from "./policy-api.ts";

const model = modelOfObjects({
  namespaces: { shop: {} },
  pods: {
    "shop/web": { addresses: ["10.244.0.5"], labels: { app: "web" }, node: "node1" },
    "shop/front": { addresses: ["10.244.0.6"], labels: { app: "front" }, node: "node1" },
  },
  policies: [
    {
      kind: "NetworkPolicy",
      metadata: { namespace: "shop", name: "web", uid: "web" },
      spec: { podSelector: { matchLabels: { app: "web" } }, ingress: [{ ports: [{ port: 80 }] }] },
    },
  ],
});

const acl: AclRow = {
  uuid: "aaaaaaaa-1111-5111-8111-111111111111",
  name: "NP/shop/web:ingress:0",
  direction: "to-lport",
  priority: 10400,
  tier: undefined,
  match: "outport == @pods_0123456789abcdef",
  action: "allow-related",
  log: true,
  owner: "NetworkPolicy/shop/web#ingress.0.numbers",
};

const flows = {
  pod: () => ({ node: "node1", mac: "0a:00:00:00:00:05" }),
  node: () => ({ switch: "node1", managementMac: "0a:00:00:00:00:02", routerMac: "0a:00:00:00:00:01" }),
};

const leads = policyApi({
  source: () => ({ model: () => model, flows, serviceNetworks: [], acls: () => [acl] }),
  leader: () => "first",
});

async function get(path: string, api = leads) {
  const response = await api.request(path);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

async function post(path: string, body: unknown, api = leads) {
  const response = await api.request(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

describe("the API about policies", () => {
  it("answers why, with what would change it", async () => {
    const { status, body } = await get("/why?from=shop/front&to=shop/web&port=81&protocol=TCP");
    expect(status).toBe(200);
    expect(body).toMatchObject({
      verdict: "denied",
      paths: [{ ingress: { by: "isolation", changes: [expect.any(String), expect.any(String)] } }],
    });
  });

  it("gives packets for ovn-trace when asked", async () => {
    const { body } = await get("/why?from=shop/front&to=shop/web&port=80&flows=true&changes=false");
    expect(body).toMatchObject({
      paths: [
        {
          flow: {
            datapath: "node1",
            expression:
              'inport == "shop_front" && eth.src == 0a:00:00:00:00:05 && eth.dst == 0a:00:00:00:00:05 && ip4.src == 10.244.0.6 && ip4.dst == 10.244.0.5 && ip.ttl == 64 && tcp.src == 40000 && tcp.dst == 80',
            outport: "shop_web",
          },
        },
      ],
    });
  });

  it("answers many questions at once, each for itself", async () => {
    const query = { from: "shop/front", to: "shop/web", port: 80 };
    const { status, body } = await post("/why", { queries: [query, { ...query, from: "shop/gone" }] });
    expect(status).toBe(200);
    expect(body.answers).toMatchObject([{ verdict: "allowed" }, { error: { code: "NOT_FOUND" } }]);
    const many = await post("/why", { queries: Array.from({ length: 1_000 }, () => query) });
    expect(many.body.answers).toHaveLength(1_000);
  });

  it("knows rows by UUID and by the name that logs have", async () => {
    expect((await get("/acls/aaaaaaaa")).body).toMatchObject({ origin: { policy: { name: "shop/web" }, rule: 0 } });
    const byName = await get(`/acls?name=${encodeURIComponent(acl.name ?? "")}`);
    expect(byName.body).toMatchObject({ acls: [{ uuid: acl.uuid }] });
    expect((await get("/acls?name=other")).body).toEqual({ acls: [] });
  });

  it("plans", async () => {
    const object = {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { namespace: "shop", name: "web" },
    };
    const { status, body } = await post("/plan", { objects: [object], delete: true });
    expect(status).toBe(200);
    expect(body).toMatchObject({ policies: [{ change: "deleted" }], pairs: 1 });
    expect(await post("/plan", { objects: [object] })).toMatchObject({
      status: 422,
      body: { error: { code: "INVALID_OBJECT" } },
    });
  });

  it.each([
    ["/why?from=shop/front", 400, "BAD_QUERY"],
    ["/why?from=shop/front&to=shop/web&protocol=gre", 400, "BAD_QUERY"],
    ["/why?from=shop/front&to=shop/web&color=red", 400, "BAD_QUERY"],
    ["/why?from=shop/front&to=shop/gone", 404, "NOT_FOUND"],
    ["/acls/xyz", 400, "BAD_QUERY"],
    ["/acls/bbbbbbbb", 404, "NOT_FOUND"],
    ["/acls", 400, "BAD_QUERY"],
  ])("refuses %s with %i %s", async (path, status, code) => {
    expect(await get(path)).toMatchObject({ status, body: { error: { code } } });
  });

  it("bounds what it reads", async () => {
    const query = { from: "a/b", to: "c/d" };
    expect(await post("/why", { queries: Array.from({ length: 10_001 }, () => query) })).toMatchObject({ status: 400 });
    expect(await post("/why", "{")).toMatchObject({ status: 400, body: { error: { code: "BAD_QUERY" } } });
    expect(await post("/plan", " ".repeat((8 << 20) + 1))).toMatchObject({
      status: 413,
      body: { error: { code: "TOO_MUCH" } },
    });
  });

  it.each([
    ["/plan", 2],
    ["/why", 4],
  ])("refuses %s beyond %i at a time before it reads any of it", async (path, most) => {
    const stops: (() => void)[] = [];
    const open = Array.from({ length: most }, () => {
      const body = new ReadableStream({ start: (controller) => void stops.push(() => controller.close()) });
      return leads.request(path, { method: "POST", body, duplex: "half" } as RequestInit);
    });
    const unread = new ReadableStream({});
    const refused = await leads.request(path, { method: "POST", body: unread, duplex: "half" } as RequestInit);
    expect(refused.status).toBe(429);
    expect(await refused.json()).toMatchObject({ error: { code: "TOO_MUCH" } });
    for (const stop of stops) stop();
    for (const response of await Promise.all(open)) expect(response.status).toBe(400);
    expect((await post(path, {})).status).toBe(400);
  });

  it("sends to the leader while it stands by, and says when it isn't ready", async () => {
    const standing = policyApi({ source: () => undefined, leader: () => "first" });
    expect(await get("/why?from=a/b&to=c/d", standing)).toMatchObject({
      status: 503,
      body: { error: { code: "NOT_LEADING", leader: "first" } },
    });
    const early = policyApi({
      source: () => ({ model: () => undefined, flows, serviceNetworks: [], acls: () => [] }),
      leader: () => "first",
    });
    expect(await get("/why?from=a/b&to=c/d", early)).toMatchObject({
      status: 503,
      body: { error: { code: "NOT_READY" } },
    });
  });
});
