import { describe, expect, it } from "vitest";
import { createLiveness } from "./liveness.ts";

const times = { intervalMs: 250, deadAfterMs: 1_000, settleMs: 30_000 };

/** A node whose clock goes by hand; every peer that speaks does so each interval. */
function start() {
  let nowMs = 0;
  let sequence = 0;
  const liveness = createLiveness("self", times, nowMs);
  const hear = (node: string, phase: "joining" | "settled" | "leaving" = "settled", life = 1n) => {
    sequence += 1;
    return liveness.hear({ node, phase, life, sequence }, nowMs);
  };
  const pass = (ms: number, ...speaking: readonly string[]) => {
    let changed = false;
    for (const end = nowMs + ms; nowMs < end; ) {
      nowMs += times.intervalMs;
      for (const node of speaking) hear(node);
      changed = liveness.tick(nowMs) || changed;
    }
    return changed;
  };
  const jump = (ms: number) => {
    nowMs += ms;
    return liveness.tick(nowMs);
  };
  return { liveness, hear, pass, jump, now: () => nowMs };
}

describe("liveness by heartbeats", () => {
  it("has a peer that fell silent for gone after a second and one interval at most", () => {
    const { liveness, pass } = start();
    pass(2_000, "other");
    expect(liveness.standingOf("other")).toBe("settled");
    pass(1_000);
    expect(liveness.standingOf("other")).toBe("settled");
    expect(pass(250)).toBe(true);
    expect(liveness.standingOf("other")).toBe("gone");
    expect(liveness.alive).toBe(0);
  });

  it("has a peer that says goodbye for gone at once, also when an older heartbeat comes after", () => {
    const { liveness, hear, now } = start();
    hear("other");
    expect(hear("other", "leaving")).toBe(true);
    expect(liveness.standingOf("other")).toBe("gone");
    expect(liveness.hear({ node: "other", phase: "settled", life: 1n, sequence: 1 }, now())).toBe(false);
    expect(liveness.standingOf("other")).toBe("gone");
    hear("other", "joining", 2n);
    expect(liveness.standingOf("other")).toBe("joining");
  });

  it("listens before it claims, and settles later", () => {
    const { liveness, pass, now } = start();
    expect(liveness.isListening(now())).toBe(true);
    expect(pass(1_000, "other")).toBe(true);
    expect(liveness.isListening(now())).toBe(false);
    expect(liveness.phase).toBe("joining");
    pass(29_000, "other");
    expect(liveness.phase).toBe("settled");
  });

  it("settles as soon as it has listened where nobody was settled before it", () => {
    const { liveness, hear, pass } = start();
    hear("other", "joining");
    pass(750);
    // The other one was a little earlier.
    hear("other", "settled");
    expect(liveness.phase).toBe("joining");
    pass(250);
    expect(liveness.phase).toBe("settled");
  });

  it("joins anew after it stood still for longer than the others wait", () => {
    const { liveness, pass, jump, now } = start();
    pass(31_000, "other");
    jump(1_000);
    expect(liveness.phase).toBe("settled");
    jump(1_001);
    expect(liveness.phase).toBe("joining");
    expect(liveness.isListening(now())).toBe(true);
    // What the others sent meanwhile is read only after the clock was looked at.
    expect(liveness.standingOf("other")).toBe("settled");
  });

  it("joins anew when it hears again after having been cut off", () => {
    const { liveness, hear, pass, now } = start();
    pass(31_000, "other");
    pass(5_000);
    expect(liveness.phase).toBe("settled");
    hear("other");
    expect(liveness.phase).toBe("joining");
    expect(liveness.isListening(now())).toBe(false);
  });

  it("stays settled when it was the others that were away", () => {
    const { liveness, hear, pass } = start();
    pass(31_000, "other");
    pass(5_000);
    hear("other", "joining", 2n);
    expect(liveness.phase).toBe("settled");
    expect(liveness.standingOf("other")).toBe("joining");
  });

  it("forgets nodes that are none any more", () => {
    const { liveness, hear, now } = start();
    hear("other");
    liveness.keep(new Set(), now());
    expect(liveness.standingOf("other")).toBe("gone");
  });

  it("awaits a node that became a peer long after the start until it is heard, or silent for too long", () => {
    const { liveness, hear, pass, now } = start();
    pass(60_000);
    liveness.keep(new Set(["heard", "silent"]), now());
    expect([liveness.isAwaited("heard"), liveness.isAwaited("silent")]).toEqual([true, true]);
    expect(hear("heard")).toBe(true);
    expect(pass(750, "heard")).toBe(false);
    expect([liveness.isAwaited("heard"), liveness.isAwaited("silent")]).toEqual([false, true]);
    // That the wait is over is news: what was left for the silent one can be taken.
    expect(pass(250, "heard")).toBe(true);
    expect(liveness.isAwaited("silent")).toBe(false);
    liveness.keep(new Set(["heard", "silent"]), now());
    expect(liveness.isAwaited("silent")).toBe(false);
  });
});
