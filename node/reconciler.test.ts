import { describe, expect, it } from "vitest";
import { createReconciler } from "./reconciler.ts";

const logger = { debug() {}, info() {}, warn() {} };

describe("a reconciler", () => {
  it("makes one more run of all triggers that come during a run", async () => {
    let runs = 0;
    const gate = Promise.withResolvers<void>();
    const reconciler = createReconciler({
      name: "test",
      logger,
      async task() {
        runs += 1;
        if (runs === 1) await gate.promise;
      },
    });
    reconciler.trigger();
    for (let count = 0; count < 10; count += 1) reconciler.trigger();
    const last = reconciler.run();
    gate.resolve();
    await last;
    expect(runs).toBe(2);
    await reconciler.stop();
  });

  it("tries again by itself after a failure", async () => {
    let runs = 0;
    const done = Promise.withResolvers<void>();
    const reconciler = createReconciler({
      name: "test",
      logger,
      async task() {
        runs += 1;
        if (runs === 1) throw new Error("not yet");
        done.resolve();
      },
    });
    await expect(reconciler.run()).rejects.toThrow("not yet");
    await done.promise;
    expect(runs).toBe(2);
    await reconciler.stop();
  });

  it("runs no more once it is stopped", async () => {
    let runs = 0;
    const reconciler = createReconciler({
      name: "test",
      logger,
      async task() {
        runs += 1;
      },
    });
    await reconciler.stop();
    reconciler.trigger();
    await expect(reconciler.run()).rejects.toThrow("test was stopped");
    expect(runs).toBe(0);
  });
});
