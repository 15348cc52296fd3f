import type { PlanAnswer, PlanGroup } from "@ovenbird/controller";
import Table from "cli-table3";
import { portsText } from "./why-text.ts";

function groupText({ text, pods, examples }: PlanGroup): string {
  if (pods === 0) return text;
  const shown = examples.length === 0 ? "" : `\n${examples.join(", ")}${pods > examples.length ? ", …" : ""}`;
  return `${text}\n(${pods} pod${pods === 1 ? "" : "s"})${shown}`;
}

/** The plan for people. */
export function planText({ policies, changes, pairs, notes }: PlanAnswer): string {
  const lines = policies.map(({ kind, name, change }) => `${kind} ${name}: ${change}`);
  if (changes.length === 0) lines.push("No verdict changes.");
  else {
    const table = new Table({
      head: ["from", "to", "ports", "verdict"],
      style: { head: [], border: [] },
      wordWrap: true,
      colWidths: [38, 38, 26, 20],
    });
    for (const { from, to, ports, family, before, after } of changes) {
      const shown = ports.length === 0 ? "all" : ports.map((port) => portsText(port.protocol, port)).join(", ");
      const only = family === undefined ? "" : `\n(IPv${family} only)`;
      table.push([groupText(from), groupText(to), `${shown}${only}`, `${before} -> ${after}`]);
    }
    lines.push(table.toString(), `${pairs} pair${pairs === 1 ? "" : "s"} of pods change${pairs === 1 ? "s" : ""}.`);
  }
  return `${[...lines, ...notes.map((note) => `note: ${note}`)].join("\n")}\n`;
}
