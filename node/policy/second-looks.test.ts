import { describe, expect, it } from "vitest";
import { type Changes, createChanges } from "./changes.ts";
import { createSecondLooks } from "./second-looks.ts";

const everything = (): Changes => {
  const changes = createChanges();
  changes.noteAll();
  return changes;
};

function looks() {
  const clock = { now: 0 };
  return { clock, second: createSecondLooks({ afterMs: 500, leastForgetMs: 1_000, now: () => clock.now }) };
}

describe("a second look", () => {
  it("is due half a second after the first, once", () => {
    const { clock, second } = looks();
    expect(second.dueAt).toBeUndefined();
    second.add(everything());
    clock.now = 499;
    expect(second.take()).toBeUndefined();
    clock.now = 500;
    expect(second.take()?.isEmpty).toBe(false);
    expect(second.dueAt).toBeUndefined();
  });

  it("waits for no newer change, and each change has one that is old enough", () => {
    const { clock, second } = looks();
    const taken: number[] = [];
    for (; clock.now < 3_000; clock.now += 50) {
      if (second.take() !== undefined) taken.push(clock.now);
      second.add(everything());
    }
    // One before the changes end may concern only those that are half a second old.
    expect(taken[0]).toBe(500);
    expect(taken.length).toBeGreaterThanOrEqual(2);
    const last = second.dueAt ?? 0;
    clock.now = 10_000;
    while (second.take() !== undefined);
    expect(last).toBeLessThanOrEqual(3_500);
    expect(second.dueAt).toBeUndefined();
  });

  it("comes no more often than once a second where the datapath forgets its flows for it", () => {
    const { clock, second } = looks();
    let count = 0;
    for (; clock.now < 10_000; clock.now += 10) {
      if (second.take() !== undefined) {
        count += 1;
        second.forgot();
      }
      if (clock.now % 700 === 0) second.add(everything());
    }
    expect(count).toBeGreaterThan(6);
    expect(count).toBeLessThanOrEqual(10);
  });

  it("that failed is tried again later, with all that came meanwhile", () => {
    const { clock, second } = looks();
    second.add(everything());
    second.postpone(createChanges(), 5_000);
    clock.now = 4_999;
    expect(second.take()).toBeUndefined();
    clock.now = 5_000;
    expect(second.take()?.isEmpty).toBe(false);
    expect(second.take()).toBeUndefined();
  });
});
