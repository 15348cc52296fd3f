import { it } from "vitest";
import { holdAnyHistory } from "./histories.ts";
import { asks, tenantActs } from "./tenants-arbitrary.ts";

it("any history of tenants, subnets, pods and restarts ends in what a from-scratch translation gives, and leaves foreign rows alone", async () => {
  await holdAnyHistory({ acts: tenantActs, asks }, 30);
});
