import { describe, expect, it } from "vitest";
import type { AnswerRecord } from "./dns-message.ts";
import { resolvedNames } from "./resolved-names.ts";

const alias = (name: string, target: string, ttlSeconds = 60): AnswerRecord => ({
  ...{ kind: "alias", name, target, ttlSeconds },
});
const address = (name: string, text = "192.0.2.1", ttlSeconds = 60): AnswerRecord => ({
  ...{ kind: "address", name, address: text, ttlSeconds },
});
const resolved = (name: string, ...records: readonly AnswerRecord[]) => resolvedNames({ name, records });

describe("the names that an answer resolves", () => {
  it("are the one asked for and all aliases on the way, each with the shortest TTL from it on", () => {
    expect(
      resolved("a.com", alias("b.com", "c.com", 20), alias("a.com", "b.com", 10), address("c.com", "192.0.2.1", 30)),
    ).toEqual([
      { name: "a.com", address: "192.0.2.1", ttlSeconds: 10 },
      { name: "b.com", address: "192.0.2.1", ttlSeconds: 20 },
      { name: "c.com", address: "192.0.2.1", ttlSeconds: 30 },
    ]);
  });

  it("have every address", () => {
    const found = resolved("a.com", address("a.com"), address("a.com", "2001:db8::1"));
    expect(found.map((one) => one.address)).toEqual(["192.0.2.1", "2001:db8::1"]);
  });

  it("are not those that nobody asked for", () => {
    expect(resolved("a.com", address("bank.com"), alias("bank.com", "a.com"))).toEqual([]);
    expect(resolved("a.com", alias("a.com", "b.com"), address("a.com"))).toEqual([]);
  });

  it("end where aliases go round, or on and on", () => {
    expect(resolved("a.com", alias("a.com", "b.com"), alias("b.com", "a.com"), address("a.com"))).toEqual([]);
    const many = Array.from({ length: 100 }, (_, index) => alias(`n${index}`, `n${index + 1}`));
    expect(resolved("n0", ...many, address("n100"))).toEqual([]);
  });
});
