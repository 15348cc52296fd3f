import { expect, it } from "vitest";
import { measurePolicyLatency } from "../bench/policy-latency.ts";

it("a policy that is added, changed or removed is on the wire, in both directions", async () => {
  const figures = await measurePolicyLatency({ labName: "latency", podCount: 100, policyCount: 20, rounds: 3 });
  expect(Object.keys(figures.latencies)).toEqual(["ingress", "egress"]);
  for (const [direction, { added, changed, removed }] of Object.entries(figures.latencies)) {
    const [a, c, r] = [added, changed, removed].map(({ p50Ms, maxMs }) => `${p50Ms.toFixed(0)} to ${maxMs.toFixed(0)}`);
    console.info(`${direction}: added ${a} ms, changed ${c} ms, removed ${r} ms`);
  }
});
