import { describe, expect, it } from "vitest";
import { createDomainAddresses } from "./domain-addresses.ts";

describe("the addresses of domain names", () => {
  it("are found by the name and by wildcards above it", () => {
    const domains = createDomainAddresses();
    domains.set("a.example.com", ["192.0.2.1", "2001:db8::1"]);
    domains.set("b.a.example.com", ["192.0.2.2"]);
    domains.set("example.com", ["192.0.2.3"]);
    expect([...domains.of(["a.example.com"])]).toEqual(["192.0.2.1", "2001:db8::1"]);
    expect([...domains.of(["*.example.com"])].sort()).toEqual(["192.0.2.1", "192.0.2.2", "2001:db8::1"]);
    expect([...domains.of(["*.a.example.com", "example.com"])]).toEqual(["192.0.2.2", "192.0.2.3"]);
    expect([...domains.of(["*.org", "c.example.com"])]).toEqual([]);
  });

  it("are gone with the name", () => {
    const domains = createDomainAddresses();
    domains.set("a.example.com", ["192.0.2.1"]);
    domains.set("a.example.com", []);
    domains.set("never.example.com", []);
    expect([...domains.of(["a.example.com", "*.example.com"])]).toEqual([]);
  });
});
