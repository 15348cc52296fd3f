import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { KubeClient } from "./client.ts";
import { createKubeClient } from "./http-client.ts";
import { electLeader, type LeaderElectionOptions, type Leadership } from "./leader-election.ts";
import type { Lease } from "./lease.ts";
import { type Collected, collect } from "./testing/collect.ts";
import { answerJson, statusOf } from "./testing/http-server.ts";
import { type ObjectServer, startObjectServer } from "./testing/object-server.ts";

const path = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/controller";
const times = { leaseDurationMs: 1000, renewDeadlineMs: 600, retryPeriodMs: 100 };

let server: ObjectServer;
let client: KubeClient;
const standing: Collected<Leadership>[] = [];

beforeEach(async () => {
  server = await startObjectServer();
  client = createKubeClient(server.connection());
});

afterEach(async () => {
  for (const one of standing.splice(0)) one.unsubscribe();
  await client.close();
  await server.stop();
});

function stand(identity: string, options: Partial<LeaderElectionOptions> = {}): Collected<Leadership> {
  const candidate = collect(
    electLeader(client, { namespace: "kube-system", name: "controller", identity, ...times, ...options }),
  );
  standing.push(candidate);
  return candidate;
}

const leads = (candidate: Collected<Leadership>): Promise<void> =>
  candidate.until((values) => values.at(-1)?.leading === true);
const follows = (candidate: Collected<Leadership>): Promise<void> =>
  candidate.until((values) => values.at(-1)?.leading === false);
const spec = (): Lease["spec"] => (server.get(path) as unknown as Lease | undefined)?.spec;

describe("an election", () => {
  it("makes the Lease where there is none", async () => {
    await leads(stand("one"));
    expect(spec()).toMatchObject({ holderIdentity: "one", leaseDurationSeconds: 1, leaseTransitions: 0 });
    expect(spec()?.renewTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  });

  it("has one winner, and tells the others who it is", async () => {
    const candidates = ["one", "two", "three"].map((identity) => stand(identity));
    await Promise.all(candidates.map((candidate) => candidate.until((values) => values.at(-1)?.holder !== undefined)));
    const last = candidates.map((candidate) => candidate.values.at(-1));
    expect(last.filter((leadership) => leadership?.leading)).toHaveLength(1);
    expect(new Set(last.map((leadership) => leadership?.holder)).size).toBe(1);
  });

  it("is renewed without being told again, keeping the time it was acquired", async () => {
    const one = stand("one");
    await leads(one);
    const first = spec();
    while (spec()?.renewTime === first?.renewTime) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(spec()).toMatchObject({ holderIdentity: "one", acquireTime: first?.acquireTime, leaseTransitions: 0 });
    expect(one.values).toEqual([{ leading: true, holder: "one" }]);
  });

  it("goes to another at once when the leader stops, which completes when the Lease is given back", async () => {
    const stop = new AbortController();
    const one = stand("one", { signal: stop.signal });
    await leads(one);
    const two = stand("two", { retryPeriodMs: 450 });
    await two.until((values) => values.at(-1)?.holder === "one");
    await server.watched();
    const begun = performance.now();
    stop.abort();
    expect(one.values.at(-1)).toMatchObject({ leading: true });
    await leads(two);
    expect(performance.now() - begun).toBeLessThan(300);
    expect(one.values.at(-1)?.leading).toBe(false);
    expect(one.completed).toBe(true);
    expect(spec()).toMatchObject({ holderIdentity: "two", leaseTransitions: 1 });
  });

  it("goes to another when the leader falls silent for the duration, however its clock stands", async () => {
    server.put(path, {
      spec: {
        holderIdentity: "silent",
        leaseDurationSeconds: 1,
        acquireTime: "2001-01-01T00:00:00.000000Z",
        renewTime: "2001-01-01T00:00:00.000000Z",
        leaseTransitions: 4,
      },
    });
    const begun = performance.now();
    const two = stand("two");
    await leads(two);
    expect(performance.now() - begun).toBeGreaterThan(990);
    expect(two.values).toEqual([
      { leading: false, holder: "silent" },
      { leading: true, holder: "two" },
    ]);
    expect(spec()).toMatchObject({ holderIdentity: "two", leaseTransitions: 5 });
  });

  it("is lost by the deadline when the server is away, and won again when it is back", async () => {
    const one = stand("one");
    await leads(one);
    const begun = performance.now();
    await server.stop();
    await follows(one);
    const heldMs = performance.now() - begun;
    expect(heldMs).toBeGreaterThan(350);
    expect(heldMs).toBeLessThan(times.leaseDurationMs);
    await server.start();
    await leads(one);
  });

  it("is lost by the deadline also when the next attempt would be later", async () => {
    const one = stand("one", { leaseDurationMs: 1000, renewDeadlineMs: 900, retryPeriodMs: 700 });
    await leads(one);
    const begun = performance.now();
    await server.stop();
    await follows(one);
    expect(performance.now() - begun).toBeLessThan(1000);
    await server.start();
  });

  it("is lost by the deadline when the server does not answer", async () => {
    const one = stand("one");
    await leads(one);
    for (let at = 0; at < 10; at++)
      server.intercept(
        ({ method }) => method === "PUT",
        () => {},
      );
    const begun = performance.now();
    await follows(one);
    expect(performance.now() - begun).toBeLessThan(times.leaseDurationMs);
  });

  it("is lost at once to whom the Lease names", async () => {
    const one = stand("one");
    await leads(one);
    server.put(path, { spec: { holderIdentity: "usurper", leaseDurationSeconds: 1 } });
    await follows(one);
    expect(one.values.at(-1)).toEqual({ leading: false, holder: "usurper" });
  });

  it("survives answers 500 and conflicts in between", async () => {
    const one = stand("one");
    await leads(one);
    server.intercept(
      ({ method }) => method === "PUT",
      (_request, response) => answerJson(response, 500, statusOf(500, "InternalError", "etcd")),
    );
    server.put(path, { metadata: { labels: { a: "b" } }, spec: { ...spec() } });
    const version = server.version;
    while (server.version < version + 2) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(one.values).toEqual([{ leading: true, holder: "one" }]);
  });

  it("wants times that fit", async () => {
    const errors: unknown[] = [];
    electLeader(client, {
      namespace: "a",
      name: "b",
      identity: "c",
      leaseDurationMs: 1000,
      renewDeadlineMs: 1000,
    }).subscribe({
      error: (error) => errors.push(error),
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(errors).toMatchObject([{ code: "INVALID_CONFIG" }]);
  });
});
