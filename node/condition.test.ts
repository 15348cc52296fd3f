import { describe, expect, it } from "vitest";
import { createConditions } from "./condition.ts";
import { createAgentConditions, readinessOf } from "./readiness.ts";

describe("conditions", () => {
  it("have a reason from the start, until something tells more", () => {
    const conditions = createConditions({ first: "waits", second: "waits too" });
    const reasons = () => conditions.list.map(({ name, problem }) => [name, problem()]);
    expect(reasons()).toEqual([
      ["first", "waits"],
      ["second", "waits too"],
    ]);
    conditions.follow("first", () => undefined);
    expect(reasons()).toEqual([
      ["first", undefined],
      ["second", "waits too"],
    ]);
  });

  it("make the node unavailable, and without tunnels only limited", () => {
    const conditions = createAgentConditions();
    expect(readinessOf(conditions).kind).toBe("unavailable");
    for (const { name } of conditions.list) if (name !== "tunnels") conditions.follow(name, () => undefined);
    conditions.follow("tunnels", () => "wrong device");
    expect(readinessOf(conditions)).toEqual({ kind: "limited", reason: "wrong device" });
    conditions.follow("tunnels", () => undefined);
    expect(readinessOf(conditions)).toEqual({ kind: "ready" });
  });
});
