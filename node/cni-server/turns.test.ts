import { describe, expect, it } from "vitest";
import { createTurns } from "./turns.ts";

/** A task that ends when it is told, or is aborted. */
function task(log: string[], name: string) {
  const { promise, resolve } = Promise.withResolvers<void>();
  return {
    finish: resolve,
    run: async (signal: AbortSignal) => {
      log.push(`${name} begins`);
      await Promise.race([
        promise,
        new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
      ]).finally(() => log.push(`${name} ends`));
    },
  };
}

describe("calls for one container", () => {
  it("take turns; those for another don't wait", async () => {
    const turns = createTurns();
    const log: string[] = [];
    const [a, b, c] = [task(log, "a"), task(log, "b"), task(log, "c")];
    const running = [turns.take("x", true, a.run), turns.take("x", true, b.run), turns.take("y", true, c.run)];
    c.finish();
    await running[2];
    a.finish();
    await running[0];
    b.finish();
    await running[1];
    expect(log).toEqual(["a begins", "c begins", "c ends", "a ends", "b begins", "b ends"]);
    expect(turns.busy("x")).toBe(false);
  });

  it("are interrupted, running and waiting, when they may be", async () => {
    const turns = createTurns();
    const log: string[] = [];
    const [add, second, del] = [task(log, "add"), task(log, "second"), task(log, "del")];
    const adding = turns.take("x", true, add.run);
    const waiting = turns.take("x", true, second.run);
    const settled = Promise.allSettled([adding, waiting]);
    turns.interrupt("x", new Error("a DEL came"));
    const deleting = turns.take("x", false, del.run);
    turns.interrupt("x", new Error("another DEL came"));
    del.finish();
    await deleting;
    expect((await settled).map((result) => result.status === "rejected" && result.reason.message)).toEqual([
      "a DEL came",
      "a DEL came",
    ]);
    expect(log).toEqual(["add begins", "add ends", "del begins", "del ends"]);
  });

  it("are refused when too many wait", async () => {
    const turns = createTurns();
    const log: string[] = [];
    const first = task(log, "first");
    const all = Array.from({ length: 20 }, () => turns.take("x", true, first.run));
    first.finish();
    const refused = (await Promise.allSettled(all)).filter(({ status }) => status === "rejected");
    expect(refused).toHaveLength(4);
  });

  it("are all over when the agent ends", async () => {
    const turns = createTurns();
    const log: string[] = [];
    const [a, b] = [task(log, "a"), task(log, "b")];
    const aborted = turns.take("x", true, a.run).catch((error: Error) => error.message);
    const carriedThrough = turns.take("y", false, b.run);
    const drained = turns.drain(new Error("the end"));
    b.finish();
    await drained;
    await carriedThrough;
    expect(await aborted).toBe("the end");
    expect(log.at(-1)).toMatch(/ends$/);
  });
});
