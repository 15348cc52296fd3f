import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { text } from "node:stream/consumers";
import { styleText } from "node:util";
import { connectLab } from "../lab.ts";
import { isAsExpected, type Probe, type ProbeOutcome, readProbes } from "../probing/probe-spec.ts";
import { runProbes } from "../probing/run-probes.ts";
import { userFolder } from "./arguments.ts";

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
  if (file === undefined) {
    if (from === undefined || to === undefined) throw new Error("--from and --to are needed, or --file");
    return readProbes([{ from, to, port, protocol, expect }]);
  }
  const written = file === "-" ? await text(process.stdin) : await readFile(resolve(userFolder(), file), "utf8");
  try {
    return readProbes(JSON.parse(written));
  } catch (error) {
    const mistakes = error instanceof Error ? error.message : String(error);
    throw new Error(`${file} holds no probes: ${mistakes}`, { cause: error });
  }
}

/** A check or a cross; neither where nothing was expected, and nobody answered. */
export function markOf(expect: Probe["expect"], verdict: ProbeOutcome["verdict"], ok: boolean): string {
  if (!ok) return styleText("red", "✗");
  return expect === undefined && verdict !== "connected" ? "•" : styleText("green", "✓");
}

function print({ from, to, port, protocol, expect }: Probe, outcome: ProbeOutcome | undefined, ok: boolean): void {
  const { verdict, peer, sourceSeen, rttMs, error } =
    outcome ?? ({ verdict: "error", error: "no outcome" } as ProbeOutcome);
  const notes = [
    peer === undefined ? "" : `by ${peer}`,
    sourceSeen === undefined ? "" : `seen as ${sourceSeen}`,
    rttMs === undefined ? "" : `${rttMs.toFixed(1)} ms`,
    error ?? "",
  ].filter((note) => note !== "");
  const target = port === undefined ? to : `${to} port ${port}`;
  process.stdout.write(
    `${markOf(expect, verdict, ok)} ${from} → ${target} ${protocol}: ${verdict}${notes.length > 0 ? ` (${notes.join(", ")})` : ""}\n`,
  );
}
