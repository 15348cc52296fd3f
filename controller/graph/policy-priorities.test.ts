import { describe, expect, it } from "vitest";
import { createIpam } from "../ipam/ipam.ts";
import { parseNetworkConfig } from "../ipam/network-config.ts";
import type { ObjectProblem } from "../state/object-problem.ts";
import { type PolicyRecord, policyId } from "../state/policy.ts";
import { podSelector } from "../state/selector.ts";
import { createGraph } from "./graph.ts";

function policy(number: number): PolicyRecord {
  return {
    kind: "AdminNetworkPolicy",
    key: `p${number}`,
    uid: `u${number}`,
    generation: 1,
    createdAt: 0,
    tier: "Admin",
    priority: number,
    subject: podSelector({}),
    isolates: [],
    rules: Array.from({ length: 100 }, (_, index) => ({
      direction: "ingress",
      index,
      name: undefined,
      action: index % 2 === 0 ? "allow" : "deny",
      peers: "any",
      ports: "any",
    })),
    problems: [],
    conditions: undefined,
  };
}

describe("policies for which ACLs have no priorities left", () => {
  it("are told once, and again only when it happens again", () => {
    const config = parseNetworkConfig({});
    if (config.kind === "invalid") throw new Error(JSON.stringify(config.problems));
    const told: ObjectProblem[] = [];
    const ipam = createIpam(config.network);
    const graph = createGraph({ network: config.network, ipam, report: (problem) => told.push(problem) });
    const apply = (number: number, change: "upsert" | "delete") => {
      const object = policy(number);
      graph.apply({ kind: "policy", change, key: policyId(object), object });
      graph.flush();
      return told.splice(0).map(({ code, object: { kind, key } }) => `${code} ${kind}/${key}`);
    };
    for (let number = 0; number < 110; number++) expect(apply(number, "upsert")).toEqual([]);
    const last = ["POLICY_PRIORITIES_EXHAUSTED AdminNetworkPolicy/p110"];
    expect(apply(110, "upsert")).toEqual(last);
    expect(apply(110, "upsert")).toEqual([]);
    expect(apply(5, "delete")).toEqual([]);
    expect(apply(5, "upsert")).toEqual(last);
  });
});
