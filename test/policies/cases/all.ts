import { adminCases } from "./admin.ts";
import { blocksCases } from "./blocks.ts";
import type { Case } from "./case.ts";
import { clusterCases } from "./cluster.ts";
import { endsCases } from "./ends.ts";
import { mistakesCases } from "./mistakes.ts";
import { podsCases } from "./pods.ts";
import { portsCases } from "./ports.ts";

/** Every line of the specifications, in this order. */
export const cases: readonly Case[] = [
  ...podsCases,
  ...portsCases,
  ...blocksCases,
  ...endsCases,
  ...adminCases,
  ...clusterCases,
  ...mistakesCases,
];
