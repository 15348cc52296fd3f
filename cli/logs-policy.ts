import { type AclLogLine, parseAclLogLine } from "./acl-log-line.ts";
import type { ControllerClient } from "./controller-client.ts";
import { createLogNames, type LoggedPolicy } from "./log-name.ts";
import { asTheyCome, followedLines, inOrder, linesOf } from "./read-lines.ts";

/** A line of the log, with whose decision it is. */
export type PolicyLogEntry = AclLogLine & LoggedPolicy;

export interface PolicyLogOptions {
  readonly files: readonly string[];
  /** Undefined: only what is there already; else what comes too, until then. */
  readonly follow: AbortSignal | undefined;
  /** Only NetworkPolicies of this namespace. */
  readonly namespace: string | undefined;
  readonly onProblem: (problem: string) => void;
}

async function* aclLines(lines: AsyncIterable<string>): AsyncGenerator<AclLogLine> {
  for await (const line of lines) {
    // Most lines of the log are about something else, and a pattern costs.
    const parsed = line.includes("|acl_log") ? parseAclLogLine(line) : undefined;
    if (parsed !== undefined) yield parsed;
  }
}

/** What policies logged on the nodes of these files; ends with the files, or with the signal when following. */
export async function* policyLog(client: ControllerClient, options: PolicyLogOptions): AsyncGenerator<PolicyLogEntry> {
  const { files, follow, namespace, onProblem } = options;
  const nameOf = createLogNames(client, onProblem);
  const sources = files.map((file) => aclLines(follow === undefined ? linesOf(file) : followedLines(file, follow)));
  const lines = follow === undefined ? inOrder(sources, ({ time }) => time) : asTheyCome(sources);
  for await (const line of lines) {
    const policy = await nameOf(line.name);
    if (namespace === undefined || policy?.namespace === namespace) yield { ...line, ...policy };
  }
}

function endText(address: string, port: number | undefined): string {
  if (port === undefined) return address;
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

function policyText({ policy, rule, isolation, name }: PolicyLogEntry): string {
  if (policy === undefined) return name;
  const part = rule !== undefined ? ` rule ${rule}` : isolation === true ? " isolates" : "";
  return `${policy.kind} ${policy.name}${part}`;
}

/** One line for people. */
export function policyLogText(entry: PolicyLogEntry): string {
  const { time, verdict, direction, protocol, source, sourcePort, destination, destinationPort } = entry;
  const ends = `${endText(source, sourcePort)} -> ${endText(destination, destinationPort)}`;
  return `${time} ${verdict} ${direction} ${protocol} ${ends} (${policyText(entry)})\n`;
}
