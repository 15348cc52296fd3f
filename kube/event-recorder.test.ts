import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { KubeClient } from "./client.ts";
import {
  createEventRecorder,
  type EventRecorder,
  type EventRecorderOptions,
  type EventSubject,
} from "./event-recorder.ts";
import { createKubeClient } from "./http-client.ts";
import { answerJson, statusOf } from "./testing/http-server.ts";
import { type ObjectServer, startObjectServer } from "./testing/object-server.ts";

let server: ObjectServer;
let client: KubeClient;
const recorders: EventRecorder[] = [];

beforeEach(async () => {
  server = await startObjectServer();
  client = createKubeClient(server.connection());
});

afterEach(async () => {
  await Promise.all(recorders.splice(0).map((recorder) => recorder.close()));
  await client.close();
  await server.stop();
});

function record(options: Partial<EventRecorderOptions> = {}): EventRecorder {
  const recorder = createEventRecorder(client, { component: "ovenbird-controller", host: "n1", ...options });
  recorders.push(recorder);
  return recorder;
}

const pod = (name: string): EventSubject => ({
  kind: "Pod",
  apiVersion: "v1",
  namespace: "shop",
  name,
  uid: `uid-${name}`,
});
const warning = (message: string) => ({ type: "Warning", reason: "NoAddress", message }) as const;

interface StoredEvent {
  readonly message?: string;
  readonly count?: number;
}

const stored = async (namespace = "shop"): Promise<readonly StoredEvent[]> => {
  const events = await client.request({ method: "GET", path: `/api/v1/namespaces/${namespace}/events` });
  return (JSON.parse(events.body.toString()) as { items: StoredEvent[] }).items;
};
const writes = (): string[] => server.requests.filter(({ method }) => method !== "GET").map(({ method }) => method);
const written = async (count: number): Promise<void> => {
  while (writes().length < count) await new Promise((resolve) => setTimeout(resolve, 5));
};

describe("an event recorder", () => {
  it("writes what happened to an object, where kubectl looks for it", async () => {
    const recorder = record();
    recorder.event(pod("web"), warning("the block 10.244.1.0/24 is exhausted"));
    await recorder.close();
    const [event, ...others] = await stored();
    expect(others).toEqual([]);
    expect(event).toMatchObject({
      kind: "Event",
      metadata: { namespace: "shop", name: expect.stringMatching(/^web\.[0-9a-f]+$/) },
      involvedObject: pod("web"),
      type: "Warning",
      reason: "NoAddress",
      message: "the block 10.244.1.0/24 is exhausted",
      count: 1,
      firstTimestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
      source: { component: "ovenbird-controller", host: "n1" },
      reportingComponent: "ovenbird-controller",
    });
  });

  it("writes what happened to a cluster's object to the namespace default", async () => {
    const recorder = record();
    recorder.event({ kind: "Node", apiVersion: "v1", name: "n1" }, warning("no chassis"));
    await recorder.close();
    expect(await stored("default")).toHaveLength(1);
  });

  it("counts up what repeats, with the latest message", async () => {
    const recorder = record();
    recorder.event(pod("web"), warning("first"));
    recorder.event(pod("web"), warning("second"));
    await written(1);
    for (let count = 0; count < 100; count++) recorder.event(pod("web"), warning(`again ${count}`));
    recorder.event(pod("web"), { type: "Normal", reason: "AddressAssigned", message: "10.244.1.3" });
    await recorder.close();
    expect(await stored()).toMatchObject([
      { message: "again 99", count: 102 },
      { message: "10.244.1.3", count: 1 },
    ]);
    expect(writes().length).toBeLessThanOrEqual(4);
  });

  it("begins anew when the server has forgotten the Event", async () => {
    const recorder = record();
    recorder.event(pod("web"), warning("first"));
    await written(1);
    await new Promise((resolve) => setTimeout(resolve, 20));
    server.intercept(
      ({ method }) => method === "PATCH",
      (_request, response) => answerJson(response, 404, statusOf(404, "NotFound", "expired")),
    );
    recorder.event(pod("web"), warning("second"));
    await recorder.close();
    expect((await stored()).map(({ count }) => count)).toEqual([1, 2]);
  });

  it("keeps to its rate", async () => {
    const recorder = record({ perSecond: 20, burst: 2 });
    for (let at = 0; at < 50; at++) recorder.event(pod(`p${at}`), warning("x"));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(writes().length).toBeGreaterThanOrEqual(4);
    expect(writes().length).toBeLessThanOrEqual(9);
  });

  it("drops the oldest rather than hold up without bound, and says how many", async () => {
    const warnings: object[] = [];
    const logger = { debug() {}, info() {}, warn: (fields: object) => warnings.push(fields) };
    const recorder = record({ maxPending: 5, maxRemembered: 5, logger });
    for (let at = 0; at < 20; at++) recorder.event(pod(`p${at}`), warning(`message ${at}`));
    await recorder.close();
    expect((await stored()).map(({ message }) => message)).toEqual([15, 16, 17, 18, 19].map((at) => `message ${at}`));
    expect(warnings).toEqual([{ dropped: 15 }]);
  });

  it("tries again after a passing fault, not after a refusal, and holds up no other", async () => {
    const post = ({ method }: { method: string }): boolean => method === "POST";
    server.intercept(post, (_request, response) => answerJson(response, 500, {}));
    server.intercept(post, (_request, response) =>
      answerJson(response, 403, statusOf(403, "Forbidden", "terminating")),
    );
    const recorder = record();
    recorder.event(pod("faulty"), warning("a"));
    recorder.event(pod("refused"), warning("b"));
    recorder.event(pod("fine"), warning("c"));
    await written(4);
    await recorder.close();
    expect((await stored()).map(({ message }) => message).sort()).toEqual(["a", "c"]);
  });

  it("neither throws nor hangs without a server", async () => {
    await server.stop();
    const recorder = record();
    for (let at = 0; at < 10; at++) recorder.event(pod(`p${at}`), warning("x"));
    const begun = performance.now();
    await recorder.close();
    expect(performance.now() - begun).toBeLessThan(4000);
    recorder.event(pod("late"), warning("x"));
  });
});
