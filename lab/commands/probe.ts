import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { styleText } from "node:util";
import { z } from "zod";
import { connectLab } from "../lab.ts";
import { isAsExpected, type Probe, type ProbeOutcome, probeSpec } from "../probing/probe-spec.ts";
import { runProbes } from "../probing/run-probes.ts";

export interface ProbeFlags {
  readonly name: string;
  readonly file?: string;
  readonly from?: string;
  readonly to?: string;
  readonly port?: number;
  readonly protocol: string;
  readonly expect?: string;
  readonly json?: boolean;
}

/** `lab probe`. @returns the exit status: 0 when every outcome is as its probe expects */
export async function probe(flags: ProbeFlags): Promise<number> {
  const probes = await probesOf(flags);
  const { layout } = await connectLab({ name: flags.name });
  const outcomes = await runProbes(layout, probes);
  const satisfied = probes.map((wanted, index) => {
    const outcome = outcomes[index];
    return outcome !== undefined && isAsExpected(wanted, outcome);
  });
  if (flags.json === true) process.stdout.write(`${JSON.stringify(outcomes)}\n`);
  else for (const [index, wanted] of probes.entries()) print(wanted, outcomes[index], satisfied[index] === true);
  return satisfied.every(Boolean) ? 0 : 1;
}

async function probesOf({ file, from, to, port, protocol, expect }: ProbeFlags): Promise<Probe[]> {
  const raw: unknown =
    file === undefined
      ? [{ from, to, port, protocol, expect }]
      : JSON.parse(file === "-" ? await text(process.stdin) : await readFile(file, "utf8"));
  const read = z.array(probeSpec).safeParse(raw);
  if (!read.success)
    throw new Error(
      `${file === undefined ? "--from and --to are needed, or --file" : `${file} holds no probes`}: ${z.prettifyError(read.error)}`,
    );
  return read.data;
}

function print({ from, to, port, protocol }: Probe, outcome: ProbeOutcome | undefined, ok: boolean): void {
  const { verdict, peer, sourceSeen, rttMs, error } = outcome ?? { verdict: "error", error: "no outcome" };
  const notes = [
    peer === undefined ? "" : `by ${peer}`,
    sourceSeen === undefined ? "" : `seen as ${sourceSeen}`,
    rttMs === undefined ? "" : `${rttMs.toFixed(1)} ms`,
    error ?? "",
  ].filter((note) => note !== "");
  const target = port === undefined ? to : `${to} port ${port}`;
  process.stdout.write(
    `${styleText(ok ? "green" : "red", ok ? "✓" : "✗")} ${from} → ${target} ${protocol}: ${verdict}${notes.length > 0 ? ` (${notes.join(", ")})` : ""}\n`,
  );
}
