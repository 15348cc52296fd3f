import { styleText } from "node:util";
import Table from "cli-table3";
import { connectLab } from "../lab.ts";
import type { Matrix, MatrixCell } from "../probing/matrix.ts";

/** More columns than this do not fit a terminal: then only what failed is listed. */
const widestTable = 14;

/** `lab check`. @returns the exit status: 0 when every way is as it should be */
export async function check({ name, json }: { readonly name: string; readonly json?: boolean }): Promise<number> {
  const lab = await connectLab({ name });
  const matrix = await lab.check();
  process.stdout.write(json === true ? `${JSON.stringify(matrix)}\n` : matrixText(matrix));
  return matrix.ok ? 0 : 1;
}

/** The matrix as a table of senders and targets, and a line for each way that is not as it should be. */
export function matrixText({ cells, total, failed, policies, ok }: Matrix): string {
  if (cells.length === 0) return "There are no running pods to measure.\n";
  const targets = [...new Set(cells.map(({ to }) => column(to)))];
  const senders = [...new Set(cells.map(({ from }) => from))];
  const lines: string[] = [];
  if (targets.length <= widestTable) {
    const byWay = Map.groupBy(cells, ({ from, to }) => `${from} ${column(to)}`);
    const table = new Table({
      head: ["from \\ to", ...targets.map(short)],
      style: { head: [], border: [], compact: true },
    });
    for (const from of senders)
      table.push([short(from), ...targets.map((to) => cellText(byWay.get(`${from} ${to}`) ?? []))]);
    lines.push(table.toString());
  }
  lines.push(...cells.filter((cell) => !cell.ok).map(failureText));
  lines.push(
    ok
      ? styleText(
          "green",
          `All ${total} ways ${cells.some(({ expected }) => expected.apart) ? "are as they should be" : "work"}.`,
        )
      : styleText("red", `${failed} of ${total} ways are not as they should be.`),
  );
  if (!ok && policies > 0)
    lines.push(
      `${policies === 1 ? "A policy is" : `${policies} policies are`} in force: what is forbidden counts too.`,
    );
  return `${lines.join("\n")}\n`;
}

/** The node ports of all nodes share a column. */
function column(to: string): string {
  return to.replace(/^nodeport:[^:]+:/, "nodeport:");
}

function short(name: string): string {
  return name
    .replace(/^(service|nodeport|name):/, "$1 ")
    .replace("default/", "")
    .replace(/^node:/, "");
}

function cellText(cells: readonly MatrixCell[]): string {
  return cells
    .map(({ family, ok, expected }) => {
      if (!ok) return styleText("red", `${family.slice(2)} ✗`);
      return expected.apart === true ? styleText("dim", "–") : styleText("green", family.slice(2));
    })
    .join(" ");
}

function failureText({ from, to, family, protocol, outcome, expected }: MatrixCell): string {
  const seen = [
    outcome.verdict,
    expected.apart === true ? "though tenants are apart" : "",
    outcome.peer === undefined || outcome.peer === expected.peer ? "" : `by ${outcome.peer}`,
    outcome.sourceSeen === undefined || expected.sources === undefined
      ? ""
      : `seen as ${outcome.sourceSeen}, expected ${expected.sources.join(" or ")}`,
    outcome.error ?? "",
  ].filter((part) => part !== "");
  return styleText("red", `✗ ${from} → ${to} ${family} ${protocol}: ${seen.join(", ")}`);
}
