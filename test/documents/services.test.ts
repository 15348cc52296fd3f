import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { rows } from "../e2e/services/rows.ts";
import { tableIn, tableOf } from "../e2e/services/table.ts";

it("docs/services.md shows the table that the end-to-end test demands", () => {
  const document = readFileSync(join(import.meta.dirname, "..", "..", "docs", "services.md"), "utf8");
  expect(tableIn(document)).toBe(tableOf(rows));
});
