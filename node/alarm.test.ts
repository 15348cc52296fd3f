import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createAlarm } from "./alarm.ts";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

it("an alarm warns once of a problem that lasts, and not of one that goes by itself", () => {
  let problem: string | undefined = "starting";
  const warnings: string[] = [];
  const alarm = createAlarm({ afterMs: 1000, problem: () => problem, warn: (text) => warnings.push(text) });
  alarm.look();
  problem = undefined;
  alarm.look();
  vi.advanceTimersByTime(2000);
  expect(warnings).toEqual([]);
  problem = "broken";
  for (let look = 0; look < 5; look += 1) {
    alarm.look();
    vi.advanceTimersByTime(1000);
  }
  expect(warnings).toEqual(["broken"]);
});
