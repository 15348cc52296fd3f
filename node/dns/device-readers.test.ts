import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { NetlinkError } from "../netlink/index.ts";
import { createDeviceReaders } from "./device-readers.ts";

/** The kernel's part: which devices there are, which of them it refuses to open, and what it is asked. */
function kernel() {
  const refused = new Set<string>();
  const opened: string[] = [];
  const closed: string[] = [];
  const frames = new Map<string, () => void>();
  const fail = new Map<string, () => void>();
  const devices = new Map<string, number>();
  const warnings: unknown[] = [];
  let seen = 0;
  let limits = 0;
  const nameOf = (index: number) => [...devices].find(([, other]) => other === index)?.[0] ?? "";
  const readers = createDeviceReaders({
    logger: { debug() {}, info() {}, warn: (details: unknown) => void warnings.push(details) },
    indexOf: (device) => devices.get(device),
    open(index, onFrame, onError) {
      const device = nameOf(index);
      opened.push(device);
      if (refused.has(device)) throw new NetlinkError("open a packet socket", "EMFILE");
      frames.set(device, () => onFrame(Buffer.alloc(0)));
      fail.set(device, () => onError(new Error("ENETDOWN")));
      return { close: () => void closed.push(device) };
    },
    onFrame: () => {
      seen += 1;
    },
    onLimit: () => {
      limits += 1;
    },
    onClose: () => undefined,
  });
  return {
    ...{ readers, refused, opened, closed, frames, fail, devices, warnings },
    get seen() {
      return seen;
    },
    get limits() {
      return limits;
    },
  };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("a device", () => {
  it("that can't be opened is tried again, ever more seldom, told of once, and without end only while it is wanted", async () => {
    const { readers, refused, opened, devices, warnings } = kernel();
    devices.set("a", 1).set("b", 2);
    refused.add("a");
    readers.read(["a", "b"]);
    await vi.advanceTimersByTimeAsync(600_000);
    const tries = opened.filter((device) => device === "a").length;
    expect(tries).toBeGreaterThan(8);
    expect(tries).toBeLessThan(30);
    expect(opened.filter((device) => device === "b")).toHaveLength(1);
    expect(warnings).toHaveLength(1);
    refused.clear();
    await vi.advanceTimersByTimeAsync(60_000);
    const afterwards = opened.length;
    await vi.advanceTimersByTimeAsync(600_000);
    expect(opened).toHaveLength(afterwards);
    refused.add("b");
    readers.reopen();
    readers.read(["a"]);
    const ended = opened.length;
    await vi.advanceTimersByTimeAsync(600_000);
    expect(opened).toHaveLength(ended);
    readers.close();
  });

  it("that the kernel doesn't have is looked for at the next change only", async () => {
    const { readers, opened, devices } = kernel();
    readers.read(["a"]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(opened).toEqual([]);
    devices.set("a", 1);
    readers.read(["a"]);
    expect(opened).toEqual(["a"]);
    readers.close();
  });

  it("is closed when it goes, stays open when it is down, and is opened anew under another index", () => {
    const { readers, opened, closed, fail, devices } = kernel();
    devices.set("a", 1);
    readers.read(["a"]);
    fail.get("a")?.();
    expect(closed).toEqual([]);
    devices.set("a", 2);
    fail.get("a")?.();
    expect({ opened, closed }).toEqual({ opened: ["a", "a"], closed: ["a"] });
    readers.read([]);
    expect(closed).toEqual(["a", "a"]);
  });

  it("with more than 4,000 frames in a second is left alone for the rest of it, and others are not", async () => {
    const under = kernel();
    under.devices.set("a", 1).set("b", 2);
    under.readers.read(["a", "b"]);
    for (let time = 0; time < 4_000; time += 1) under.frames.get("a")?.();
    expect(under.limits).toBe(0);
    under.frames.get("a")?.();
    expect([under.seen, under.limits, under.closed]).toEqual([4_000, 1, ["a"]]);
    under.frames.get("b")?.();
    expect(under.seen).toBe(4_001);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(under.opened).toEqual(["a", "b", "a"]);
    under.readers.close();
  });
});
