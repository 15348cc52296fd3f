import { describe, expect, it } from "vitest";
import { canonicalDomain, domainObjectName, domainPatternsOf } from "./domain-name.ts";

describe("a domain name", () => {
  it("is the same with capitals and with a dot at its end", () => {
    expect(canonicalDomain("API.Example.com.")).toBe("api.example.com");
    expect(canonicalDomain("*.Example.com")).toBe("*.example.com");
  });

  it.each(["", ".", "a..b", "a.*.b", "*a.b", "a b", "ä.example", `${"a".repeat(64)}.b`, "a.".repeat(130)])(
    "is not %j",
    (text) => expect(canonicalDomain(text)).toBeUndefined(),
  );

  it("is meant by itself, and by a wildcard before any domain above it", () => {
    expect(domainPatternsOf("a.example.com")).toEqual(["a.example.com", "*.example.com", "*.com"]);
    expect(domainPatternsOf("com")).toEqual(["com"]);
  });

  it("names its object, by a hash where Kubernetes takes no such name", () => {
    expect(domainObjectName("api.example.com")).toBe("api.example.com");
    expect(domainObjectName("_x.example.com")).toMatch(/^name-[0-9a-f]{32}$/);
    expect(domainObjectName("name-0123456789abcdef0123456789abcdef")).not.toBe("name-0123456789abcdef0123456789abcdef");
  });
});
