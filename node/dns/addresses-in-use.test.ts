import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type AddressesInUse, destinationOf, inUseHoldMs, keepAddressesInUse } from "./addresses-in-use.ts";

const tcp = (to: string, state = "ESTABLISHED") =>
  `tcp,orig=(src=10.244.0.5,dst=${to},sport=40000,dport=443),reply=(src=${to},dst=10.244.0.5,sport=443,dport=40000),zone=3,protoinfo=(state=${state})`;

describe("a connection", () => {
  it("is to whom it was opened to, once it is established", () => {
    expect(destinationOf(tcp("192.0.2.1"))).toBe("192.0.2.1");
    expect(destinationOf(tcp("2001:db8::1"))).toBe("2001:db8::1");
    expect(destinationOf(tcp("192.0.2.1", "SYN_SENT"))).toBeUndefined();
    expect(destinationOf("udp,orig=(src=10.244.0.5,dst=192.0.2.1,sport=1,dport=2),reply=()")).toBe("192.0.2.1");
    expect(destinationOf("icmp,orig=(src=10.244.0.5,dst=192.0.2.1,id=1,type=8,code=0),reply=()")).toBeUndefined();
    expect(destinationOf("")).toBeUndefined();
  });
});

describe("addresses in use", () => {
  const ends = new Map<string, number>();
  let lines: readonly string[];
  let looks: number;
  let fails: boolean;
  let warnings: number;
  let keeper: AddressesInUse;
  const seconds = (count: number) => Date.now() + count * 1_000;

  beforeEach(() => {
    vi.useFakeTimers({ now: 1_000_000 });
    ends.clear();
    lines = [];
    looks = 0;
    fails = false;
    warnings = 0;
    keeper = keepAddressesInUse({
      writer: {
        ending: (beforeMs) =>
          [...ends].flatMap(([address, end]) =>
            end > Date.now() && end <= beforeMs ? [{ name: "a.example.com", address }] : [],
          ),
        nextEndMs: () => Math.min(Number.POSITIVE_INFINITY, ...[...ends.values()].filter((end) => end > Date.now())),
        prolong: (_name, address, untilMs) => ends.set(address, untilMs),
      },
      async *connections() {
        looks += 1;
        if (fails) throw new Error("vswitchd is away");
        yield lines;
      },
      logger: {
        debug() {},
        info() {},
        warn() {
          warnings += 1;
        },
      },
    });
  });
  afterEach(() => {
    keeper.close();
    vi.useRealTimers();
  });

  it("do not run out, and those that nobody has a connection to do", async () => {
    ends.set("192.0.2.1", seconds(60)).set("192.0.2.2", seconds(60));
    lines = [tcp("192.0.2.1"), tcp("198.51.100.1")];
    keeper.look();
    await vi.advanceTimersByTimeAsync(30_000);
    expect(looks).toBe(0);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(ends.get("192.0.2.1")).toBeGreaterThan(seconds(inUseHoldMs / 1_000 - 16));
    await vi.advanceTimersByTimeAsync(600_000);
    expect(ends.get("192.0.2.1")).toBeGreaterThan(Date.now());
    expect(ends.get("192.0.2.2")).toBeLessThan(Date.now());
    lines = [];
    await vi.advanceTimersByTimeAsync(200_000);
    expect(ends.get("192.0.2.1")).toBeLessThan(Date.now());
    // One for each time that it is prolonged, in 95 s or more, and at each end some, ten seconds apart.
    expect(looks).toBeLessThan(16);
  });

  it("are looked for every ten seconds at most, also when that fails, and not where there are none", async () => {
    keeper.look();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(looks).toBe(0);
    fails = true;
    for (let index = 0; index < 60; index += 1) ends.set(`192.0.2.${index}`, seconds(20 + index));
    keeper.look();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(looks).toBeGreaterThan(3);
    expect(looks).toBeLessThan(8);
    expect(warnings).toBe(looks);
  });
});
