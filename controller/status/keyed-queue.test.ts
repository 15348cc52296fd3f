import { describe, expect, it } from "vitest";
import { createKeyedQueue } from "./keyed-queue.ts";

describe("the keyed queue", () => {
  it("works on each key once, however often it was asked for, and never twice at a time", async () => {
    const seen: string[] = [];
    const running = new Set<string>();
    const queue = createKeyedQueue({
      concurrency: 2,
      isRetried: () => false,
      async work(key) {
        expect(running.has(key)).toBe(false);
        expect(running.size).toBeLessThan(2);
        running.add(key);
        seen.push(key);
        await new Promise((resolve) => setImmediate(resolve));
        running.delete(key);
      },
    });
    for (const key of ["a", "b", "c", "c", "c"]) queue.add(key);
    // It runs already, so it has another turn after this one.
    queue.add("a");
    await queue.idle();
    expect(seen.sort()).toEqual(["a", "a", "b", "c"]);
  });

  it("tries again what failed, with pauses, and gives up on what is hopeless", async () => {
    const tries = new Map<string, number>();
    const pauses: (number | undefined)[] = [];
    const queue = createKeyedQueue({
      concurrency: 4,
      backoff: { minMs: 1, maxMs: 4 },
      isRetried: (error) => error !== "hopeless",
      onError: (_key, _error, retryInMs) => pauses.push(retryInMs),
      async work(key) {
        const count = (tries.get(key) ?? 0) + 1;
        tries.set(key, count);
        if (key === "bad") throw "hopeless";
        if (count < 4) throw "busy";
      },
    });
    queue.add("bad");
    queue.add("slow");
    await queue.idle();
    expect(Object.fromEntries(tries)).toEqual({ bad: 1, slow: 4 });
    expect(pauses.filter((pause) => pause === undefined).length).toBe(1);
    expect(queue.pending).toBe(0);
  });

  it("waits for what runs when it is closed, and starts nothing more", async () => {
    let finish: () => void = () => {};
    const done: string[] = [];
    const queue = createKeyedQueue({
      concurrency: 1,
      isRetried: () => true,
      async work(key) {
        await new Promise<void>((resolve) => {
          finish = resolve;
        });
        done.push(key);
      },
    });
    queue.add("first");
    queue.add("second");
    const closed = queue.close();
    finish();
    await closed;
    expect(done).toEqual(["first"]);
  });
});
