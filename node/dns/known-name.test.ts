import { expect, it } from "vitest";
import { projectKnownName } from "./known-name.ts";

it("of a DomainName until when each address counts matters, in one spelling; what can't be read counts for nothing", () => {
  const addresses = {
    "192.0.2.1": "2026-01-01T00:00:00Z",
    "2001:DB8:0::1": "2026-01-01T00:00:01Z",
    "192.0.2": "2026-01-01T00:00:00Z",
    "192.0.2.2": "soon",
  };
  const known = projectKnownName({ spec: { name: "a.example.com" }, status: { addresses } });
  expect(known.name).toBe("a.example.com");
  const begin = Date.parse("2026-01-01T00:00:00Z");
  expect([...known.expiries]).toEqual([
    ["192.0.2.1", begin],
    ["2001:db8::1", begin + 1_000],
  ]);
  expect(projectKnownName({ spec: { name: "b.example.com" } }).expiries.size).toBe(0);
});
