import { it } from "vitest";
import { holdAnyHistory } from "./histories.ts";
import { serviceActs } from "./services-arbitrary.ts";

it("any history of events and restarts ends in what a from-scratch translation gives, and leaves foreign rows alone", async () => {
  await holdAnyHistory({ acts: serviceActs }, 40);
});
