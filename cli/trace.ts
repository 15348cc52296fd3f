import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { AclAnswer, Microflow, WhyAnswer, WhyPath } from "@ovenbird/controller";
import { CliError } from "./cli-error.ts";
import { type DatabaseFlags, databaseArguments } from "./endpoints.ts";

const run = promisify(execFile);
const timeoutMs = 60_000;
const maxOutputBytes = 64 << 20;

/**
 * How many stages of connection tracking a packet can meet: two on each of two switches, and those of a gateway. ovn-trace
 * takes all for established unless told otherwise; what is given too often counts for nothing.
 */
const trackingStages = 12;

/** What `ovn-trace` says of one path. */
export interface Trace {
  readonly family: WhyPath["family"];
  readonly protocol: WhyPath["protocol"];
  readonly port?: number;
  readonly from: string;
  readonly to: string;
  readonly model: "allowed" | "denied";
  /** Absent when there is nothing to trace: it doesn't begin at a port of the cluster, or comes back to where it begins. */
  readonly trace?: "allowed" | "denied";
  /** The last stage that the packet came to. */
  readonly lastStage?: string;
  /** Where they differ: the row that this stage is made of, and what it does. */
  readonly row?: Pick<AclAnswer, "uuid" | "meaning">;
  readonly flow?: Microflow;
}

/** A port at which packets leave the logical network; patches and gateways lead on. */
const outputPattern = /\/\* output to "([^"]+)", type "([^"]*)" \*\//g;
const stagePattern = /^\s*\d+\. (ls|lr)_\w+ .*$/gm;

/** @returns whether the packet left the network where it should */
function arrived(output: string, { outport }: Microflow, isOutside: boolean): boolean {
  return [...output.matchAll(outputPattern)].some(([, port, type]) =>
    isOutside ? type === "localnet" : port === outport && type === "",
  );
}

/** @throws CliError TRACE_FAILED */
async function ovnTrace(flow: Microflow, database: DatabaseFlags): Promise<string> {
  const command = [
    ...["--no-leader-only", "-vconsole:off", ...databaseArguments(database)],
    ...Array.from({ length: trackingStages }, () => ["--ct", "new"]).flat(),
    ...(flow.lbDestination === undefined ? [] : [`--lb-dst=${flow.lbDestination}`]),
    ...[flow.datapath, flow.expression],
  ];
  try {
    return (await run("ovn-trace", command, { timeout: timeoutMs, maxBuffer: maxOutputBytes })).stdout;
  } catch (error) {
    const { code, stderr, killed } = error as { code?: unknown; stderr?: string; killed?: boolean };
    if (code === "ENOENT")
      throw new CliError("TRACE_FAILED", "there is no ovn-trace here: install OVN's central tools");
    const reason = killed === true ? `no answer within ${timeoutMs / 1000} s` : stderr?.trim() || String(error);
    const where = database.sb === undefined ? "its default database" : database.sb;
    throw new CliError("TRACE_FAILED", `ovn-trace with ${where}: ${reason}; see --sb, --ca, --cert and --key`);
  }
}

/**
 * Asks `ovn-trace` for every path of an answer, one after the other.
 * @throws CliError TRACE_FAILED
 */
export async function traces(answer: WhyAnswer, database: DatabaseFlags): Promise<readonly Trace[]> {
  const results: Trace[] = [];
  for (const path of answer.paths) {
    const { family, protocol, from, to, verdict: model, flow, ports } = path;
    const port = ports === undefined ? {} : { port: ports.first === 0 ? ports.last : ports.first };
    const common = { family, protocol, ...port, from: from.address, to: to.address, model };
    if (flow === undefined) {
      results.push(common);
      continue;
    }
    const output = await ovnTrace(flow, database);
    const lastStage = output.match(stagePattern)?.at(-1)?.trim();
    const trace = arrived(output, flow, to.kind === "address") ? "allowed" : "denied";
    results.push({ ...common, trace, ...(lastStage === undefined ? {} : { lastStage }), flow });
  }
  return results;
}

export function differs({ model, trace }: Trace): boolean {
  return trace !== undefined && trace !== model;
}

/** The UUID of the flow in which a trace ended, or its beginning. */
export function lastFlow({ lastStage }: Trace): string | undefined {
  return /, uuid ([0-9a-f]{8,})$/.exec(lastStage ?? "")?.[1];
}

/** The traces for people; the flows where they differ. */
export function tracesText(all: readonly Trace[]): string {
  const lines = all.map((each) => {
    const { family, protocol, port, from, to, model, trace, lastStage, flow, row } = each;
    const what = `${protocol}${port === undefined ? "" : `/${port}`} IPv${family} ${from} -> ${to}`;
    if (trace === undefined)
      return `  ${what}: not traced: it doesn't begin at a port of the cluster, or comes back to where it begins`;
    if (trace === model) return `  ${what}: ${trace}, as the model says`;
    return [
      `  ${what}: DIFFERENT: the model says ${model}, ovn-trace ${trace}`,
      `    ${flow?.datapath}: ${flow?.expression}${flow?.lbDestination === undefined ? "" : ` (--lb-dst=${flow.lbDestination})`}`,
      `    last stage: ${lastStage ?? "none"}`,
      ...(row === undefined ? [] : [`    of ACL ${row.uuid}: ${row.meaning}`]),
    ].join("\n");
  });
  return `ovn-trace:\n${lines.join("\n")}\n`;
}
