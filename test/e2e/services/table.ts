import type { Row } from "./rows.ts";
import { type Vantage, vantages } from "./scene.ts";

const marks = { begin: "<!-- table: begin -->", end: "<!-- table: end -->" } as const;

/** The table as Markdown; by default with what is expected. */
export function tableOf(rows: readonly Row[], cell: (row: Row, vantage: Vantage) => string = expectedCell): string {
  return [
    `| what | ${vantages.join(" | ")} |`,
    `|---|${vantages.map(() => "---|").join("")}`,
    ...rows.map((row) => `| ${row.name} | ${vantages.map((vantage) => cell(row, vantage)).join(" | ")} |`),
  ].join("\n");
}

const expectedCell = (row: Row, vantage: Vantage) => row.cells[vantage];

/** The table that a document shows between its marks. @throws Error when a mark is missing */
export function tableIn(document: string): string {
  const from = document.indexOf(marks.begin);
  const to = document.indexOf(marks.end);
  if (from < 0 || to < from) throw new Error(`the document lacks ${marks.begin} … ${marks.end}`);
  return document.slice(from + marks.begin.length, to).trim();
}
