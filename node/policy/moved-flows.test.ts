import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { UdpConnection } from "./connection.ts";
import { createMovedFlows } from "./moved-flows.ts";

const logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const service = { address: "10.96.0.10", port: 53 };
const old = { address: "10.244.0.3", port: 5353 };
const fresh = { address: "10.244.0.4", port: 5353 };

function connection(port: number, answeredBy: UdpConnection["answeredBy"], to = service): UdpConnection {
  return { zone: 4, from: { address: "10.244.1.3", port }, to, answeredBy, mark: 0 };
}

describe("a UDP connection to a Service", () => {
  let there: UdpConnection[];
  let forgotten: number[];
  let areFlowsThere: boolean;
  const flows = () =>
    createMovedFlows({
      conntrack: {
        async *connections() {
          yield there;
        },
        forget: async ({ from }) => void forgotten.push(from.port),
      },
      areFlowsThere: () => areFlowsThere,
      forgotten: () => undefined,
      logger,
    });

  beforeEach(() => {
    vi.useFakeTimers();
    there = [];
    forgotten = [];
    areFlowsThere = true;
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("is forgotten when it stands with a backend that is gone", async () => {
    there = [connection(1, old), connection(2, fresh), connection(3, old, { address: "10.96.0.11", port: 53 })];
    const moved = flows();
    moved.note({ service, backend: old }, false);
    moved.note({ service, backend: fresh }, true);
    await vi.advanceTimersByTimeAsync(300);
    expect(forgotten).toEqual([1]);
  });

  it("is looked at once more a second after the change, and no more after that", async () => {
    const moved = flows();
    moved.note({ service, backend: old }, false);
    await vi.advanceTimersByTimeAsync(300);
    there = [connection(1, old)];
    await vi.advanceTimersByTimeAsync(1_000);
    expect(forgotten).toEqual([1]);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(forgotten).toEqual([1]);
  });

  it("stays where the backend has come back", async () => {
    there = [connection(1, old)];
    const moved = flows();
    moved.note({ service, backend: old }, false);
    moved.note({ service, backend: old }, true);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(forgotten).toEqual([]);
  });

  it("is looked for by one look at a time, however much changes while one takes long", async () => {
    let looks = 0;
    let atOnce = 0;
    let most = 0;
    const moved = createMovedFlows({
      conntrack: {
        async *connections() {
          looks += 1;
          atOnce += 1;
          most = Math.max(most, atOnce);
          await new Promise((resolve) => setTimeout(resolve, 3_000));
          atOnce -= 1;
          yield [connection(1, old)];
        },
        forget: async ({ from }) => void forgotten.push(from.port),
      },
      areFlowsThere: () => areFlowsThere,
      forgotten: () => undefined,
      logger,
    });
    for (let time = 0; time < 60; time += 1) {
      moved.note({ service, backend: { ...old, port: time } }, false);
      await vi.advanceTimersByTimeAsync(500);
    }
    moved.note({ service, backend: old }, false);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(most).toBe(1);
    expect(looks).toBeLessThan(20);
    // The last change has had its looks too.
    expect(forgotten.length).toBeGreaterThan(0);
  });

  it("from before the Service is forgotten when its first backend comes", async () => {
    there = [connection(1, service)];
    const moved = flows();
    moved.note({ service, backend: fresh }, true);
    await vi.advanceTimersByTimeAsync(300);
    expect(forgotten).toEqual([1]);
  });

  it("stays where its backend is there again after a start of ovn-controller, however long that takes", async () => {
    there = [connection(1, old), connection(2, fresh)];
    const moved = flows();
    areFlowsThere = false;
    for (const backend of [old, fresh]) moved.note({ service, backend }, false);
    await vi.advanceTimersByTimeAsync(20_000);
    // Those of ports are there before those of backends.
    areFlowsThere = true;
    await vi.advanceTimersByTimeAsync(900);
    moved.note({ service, backend: fresh }, true);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(forgotten).toEqual([1, 1]);
  });

  it("stays where it can't be known what became of its backend", async () => {
    there = [connection(1, old)];
    const moved = flows();
    moved.note({ service, backend: old }, false);
    moved.reset();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(forgotten).toEqual([]);
    moved.note({ service, backend: old }, false);
    await vi.advanceTimersByTimeAsync(300);
    expect(forgotten).toEqual([1]);
  });
});
