import { KubeError } from "@ovenbird/kube";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { parseNetworkConfig } from "../ipam/network-config.ts";
import { createSubnetIpam, type SubnetIpam } from "../ipam/subnet-ipam.ts";
import { projectIpAddress } from "../state/ip-address.ts";
import { projectSubnet } from "../state/subnet.ts";
import { createKeptWriter, type KeptWriter } from "./kept-writer.ts";

type Json = Record<string, unknown>;

const config = parseNetworkConfig({});
if (config.kind === "invalid") throw new Error(JSON.stringify(config.problems));
const { network } = config;

/** What the API server has, and tells of at once. */
let objects: Map<string, Json>;
let ipam: SubnetIpam;
let writer: KeptWriter;
let writes: string[];
let isReady: boolean;
let uids = 0;

function store(name: string, object: Json | undefined): void {
  if (object === undefined) objects.delete(name);
  else objects.set(name, object);
  ipam.setKept(name, object === undefined ? undefined : projectIpAddress(object));
}

function merged(into: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const result = { ...(into as Json) };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = merged(result[key], value);
  }
  return result;
}

const client = {
  async create(_resource: unknown, _target: unknown, body: { metadata: { name: string } }) {
    const { name } = body.metadata;
    await Promise.resolve();
    if (objects.has(name)) throw new KubeError("ALREADY_EXISTS", "exists");
    writes.push(`create ${name}`);
    const metadata = { ...body.metadata, uid: `uid-${uids++}`, creationTimestamp: new Date().toISOString() };
    store(name, { ...body, metadata });
  },
  async patch(_resource: unknown, { name }: { name: string }, body: Json) {
    writes.push(`patch ${name}`);
    store(name, merged(objects.get(name), body) as Json);
  },
  async delete(_resource: unknown, { name }: { name: string }) {
    writes.push(`delete ${name}`);
    store(name, undefined);
  },
};

function start(): void {
  isReady = false;
  ipam = createSubnetIpam(network);
  writer = createKeptWriter({
    client: client as never,
    ipam: () => ipam,
    isReady: () => isReady,
    now: () => new Date(),
  });
  ipam.onKept((name) => writer.changed(name));
  const spec = { tenant: "blue", mode: "Cluster", cidrs: ["10.10.0.0/24"] };
  ipam.setSubnet("s", projectSubnet({ metadata: { name: "s", uid: "s" }, spec }));
  for (const [name, object] of objects) ipam.setKept(name, projectIpAddress(object));
}

function begin(): void {
  isReady = true;
  writer.begin();
}

const reserve = (pod: string, stickySeconds: number | undefined) =>
  ipam.reserve({
    key: `a/${pod}`,
    uid: pod,
    node: "n1",
    nodeNumber: 0,
    subnet: "s",
    wish: {
      subnet: undefined,
      addresses: [],
      mac: undefined,
      pools: [],
      sticky: "web",
      stickySeconds,
      qos: undefined,
      problems: [],
    },
    workload: undefined,
    ordinal: undefined,
    pools: [],
  });

/** Until nothing more follows from what was written. */
async function settled(): Promise<void> {
  for (let round = 0; round < 5; round++) await writer.idle();
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"], now: new Date("2026-01-01T00:00:00Z") });
  objects = new Map();
  writes = [];
  start();
  ipam.restore([], new Map(), new Map());
  begin();
});
afterEach(async () => {
  await writer.close();
  vi.useRealTimers();
});

it("writes an IPAddress before anybody may know of the address, and then who has it", async () => {
  reserve("1", 60);
  expect(ipam.isWritten("a.web.s")).toBe(false);
  await settled();
  expect(ipam.isWritten("a.web.s")).toBe(true);
  expect(objects.get("a.web.s")).toMatchObject({
    spec: { subnet: "s", addresses: ["10.10.0.2"], namespace: "a", holder: "web", ttlSeconds: 60 },
    status: { pod: "a/1", node: "n1" },
  });
  expect(writes).toEqual(["create a.web.s", "patch a.web.s"]);
});

it("counts from the pod's end, and removes what nobody came back for", async () => {
  reserve("1", 60);
  await settled();
  ipam.release("a/1");
  await settled();
  expect(objects.get("a.web.s")?.status).toEqual({ releasedAt: "2026-01-01T00:00:00.000Z" });
  await vi.advanceTimersByTimeAsync(59_000);
  expect(objects.size).toBe(1);
  reserve("2", 60);
  await settled();
  await vi.advanceTimersByTimeAsync(120_000);
  expect(objects.get("a.web.s")?.status).toEqual({ pod: "a/2", node: "n1" });
  ipam.release("a/2");
  await settled();
  await vi.advanceTimersByTimeAsync(60_000);
  await settled();
  expect([objects.size, ipam.isInUse("s")]).toEqual([0, false]);
});

it("goes on counting after a restart, and writes nothing while nothing changes", async () => {
  reserve("1", 60);
  await settled();
  writes = [];
  start();
  ipam.restore([], new Map(), new Map());
  reserve("1", 60);
  begin();
  await settled();
  expect(writes).toEqual([]);
  ipam.release("a/1");
  await settled();
  await vi.advanceTimersByTimeAsync(30_000);
  start();
  ipam.restore([], new Map(), new Map());
  begin();
  await settled();
  await vi.advanceTimersByTimeAsync(31_000);
  await settled();
  expect(objects.size).toBe(0);
});

it("keeps for good what has no end", async () => {
  reserve("1", undefined);
  await settled();
  ipam.release("a/1");
  await settled();
  await vi.advanceTimersByTimeAsync(365 * 86_400_000);
  expect([objects.size, ipam.isInUse("s")]).toEqual([1, true]);
});

it("gives a reservation without addresses the next free ones", async () => {
  const spec = { subnet: "s", namespace: "a", holder: "db-0" };
  store("db", { metadata: { name: "db", uid: "db", creationTimestamp: "2026-01-01T00:00:00Z" }, spec });
  await settled();
  expect(objects.get("db")).toMatchObject({ spec: { addresses: ["10.10.0.2"] } });
  expect(ipam.isWritten("db")).toBe(true);
});

it("writes again what is deleted under a pod", async () => {
  reserve("1", 60);
  await settled();
  store("a.web.s", undefined);
  await settled();
  expect(objects.get("a.web.s")).toMatchObject({ spec: { addresses: ["10.10.0.2"] }, status: { pod: "a/1" } });
});
