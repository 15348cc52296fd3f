import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { arrange, longestFilled } from "./backend-slots.ts";

const names = (count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, index) => `10.0.${(from + index) >> 8}.${(from + index) & 255}:80`).sort();

const counted = (slots: readonly string[]): number[] => {
  const counts = new Map<string, number>();
  for (const slot of slots) counts.set(slot, (counts.get(slot) ?? 0) + 1);
  return [...counts.values()];
};
const spread = (slots: readonly string[]): number => Math.max(...counted(slots)) - Math.min(...counted(slots));

/** A 32-bit mix (the finalizer of MurmurHash3) of a flow and a position: the weight in rendezvous hashing. */
function weight(flow: number, position: number): number {
  let value = Math.imul(flow + 1, 0x9e3779b1) ^ Math.imul(position + 1, 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}

function backendOf(slots: readonly string[], flow: number): string | undefined {
  let best = -1;
  let chosen: string | undefined;
  for (const [position, slot] of slots.entries()) {
    const own = weight(flow, position);
    if (own > best) {
      best = own;
      chosen = slot;
    }
  }
  return chosen;
}

const flows = 1000;
const moved = (before: readonly string[], after: readonly string[]): number[] =>
  Array.from({ length: flows }, (_, flow) => flow).filter((flow) => backendOf(before, flow) !== backendOf(after, flow));

/** A history of wanted sets, each of up to 40 of 60 backends. */
const history = fc.array(fc.uniqueArray(fc.nat(59), { maxLength: 40 }), { minLength: 1, maxLength: 12 });
const wantedOf = (numbers: readonly number[]) => numbers.map((number) => `10.0.0.${number}:80`).sort();

function eachStep(check: (before: readonly string[], after: readonly string[], wanted: readonly string[]) => void) {
  fc.assert(
    fc.property(history, (steps) => {
      let slots: readonly string[] = [];
      for (const step of steps) {
        const wanted = wantedOf(step);
        const after = arrange(slots, wanted);
        check(slots, after, wanted);
        slots = after;
      }
    }),
    { numRuns: 300 },
  );
}

describe("the positions of backends", () => {
  it("hold exactly the wanted ones", () => {
    eachStep((_, after, wanted) => expect([...new Set(after)].sort()).toEqual(wanted));
  });

  it("differ by one between backends at most", () => {
    eachStep((_, after) => {
      if (after.length > 0) expect(spread(after)).toBeLessThanOrEqual(1);
    });
  });

  it("stay as they are when nothing changes", () => {
    eachStep((_, after, wanted) => expect(arrange(after, wanted)).toEqual(after));
  });

  it("follow from what was and what is wanted alone", () => {
    eachStep((before, after, wanted) => expect(arrange([...before], [...wanted])).toEqual(after));
  });

  it("change only for backends that go and for those that come", () => {
    eachStep((before, after, wanted) => {
      for (const [position, slot] of before.entries()) {
        const now = after[position];
        if (wanted.length < 2 || !wanted.includes(slot) || now === slot) continue;
        expect(before).not.toContain(now);
      }
    });
  });

  it("never get fewer for the others when one goes", () => {
    for (let count = 2; count <= 60; count++) {
      const before = arrange([], names(count));
      for (const gone of names(count)) {
        const after = arrange(
          before,
          names(count).filter((name) => name !== gone),
        );
        if (count === 2) continue;
        expect(after.length).toBe(before.length);
        expect(after.every((slot, position) => before[position] === gone || before[position] === slot)).toBe(true);
      }
    }
  });

  it("are bounded in number, whatever happened before", () => {
    eachStep((_, after, wanted) => expect(after.length).toBeLessThanOrEqual(Math.max(longestFilled, wanted.length)));
    let slots: readonly string[] = arrange([], names(1000));
    for (let count = 1000; count > 0; count -= 7) {
      slots = arrange(slots, names(count));
      expect(slots.length).toBeLessThanOrEqual(Math.max(longestFilled, count));
      expect(spread(slots)).toBeLessThanOrEqual(1);
    }
  });

  it("are few again when one backend is left, or all are new", () => {
    expect(arrange(arrange([], names(60)), names(1))).toHaveLength(4);
    expect(arrange(arrange([], names(60)), names(3, 100))).toHaveLength(12);
    expect(arrange(["10.0.0.1:80"], [])).toEqual([]);
  });

  it("of one that is replaced go to its successor, and to nobody else", () => {
    for (const count of [1, 2, 5, 9, 50, 200]) {
      const before = arrange([], names(count));
      const after = arrange(before, [...names(count).slice(1), "10.9.9.9:80"]);
      const [gone = ""] = names(count);
      expect(after).toEqual(before.map((slot) => (slot === gone ? "10.9.9.9:80" : slot)));
    }
  });

  it("are level for services that grow one by one", () => {
    let slots: readonly string[] = [];
    for (let count = 1; count <= 12; count++) {
      slots = arrange(slots, names(count));
      expect(slots.length).toBe(4 * count);
      expect(spread(slots)).toBe(0);
    }
  });
});

describe("of 1,000 flows", () => {
  it.each(Array.from({ length: 59 }, (_, index) => index + 2))(
    "none but its own leave when one of %i goes",
    (count) => {
      const before = arrange([], names(count));
      const [gone = ""] = names(count).slice(count >> 1);
      const after = arrange(
        before,
        names(count).filter((name) => name !== gone),
      );
      const left = moved(before, after);
      expect(left.every((flow) => backendOf(before, flow) === gone)).toBe(true);
      expect(left.length / flows).toBeLessThanOrEqual(1 / count + 0.02);
    },
  );

  it.each(Array.from({ length: 59 }, (_, index) => index + 2))("few move when one comes to %i, all to it", (count) => {
    const before = arrange([], names(count));
    const after = arrange(before, [...names(count), "10.9.9.9:80"]);
    const left = moved(before, after);
    expect(left.every((flow) => backendOf(after, flow) === "10.9.9.9:80")).toBe(true);
    expect(left.length / flows).toBeLessThanOrEqual(1 / count + 0.02);
  });

  it("few move when one of hundreds goes, though the list gets shorter", () => {
    const before = arrange([], names(300));
    const after = arrange(
      before,
      names(300).filter((_, index) => index !== 17),
    );
    expect(after.length).toBe(299);
    expect(moved(before, after).length / flows).toBeLessThanOrEqual(1 / 300 + 0.02);
  });
});
