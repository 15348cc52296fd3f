import { resolve } from "node:path";
import type { AclAnswer } from "@ovenbird/controller";
import { Command, InvalidArgumentError, Option } from "commander";
import { addressesText, auditText } from "./addresses-text.ts";
import { answerOf } from "./answers.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { type ControllerClient, createControllerClient } from "./controller-client.ts";
import { controllerOption, type DatabaseFlags, databaseOptions, type EndpointFlags } from "./endpoints.ts";
import { policyLog, policyLogText } from "./logs-policy.ts";
import { planText } from "./plan-text.ts";
import { readObjects } from "./read-objects.ts";
import { stageHint } from "./stage-hint.ts";
import { differs, lastFlow, type Trace, traces, tracesText } from "./trace.ts";
import { userFolder } from "./user-folder.ts";
import { aclText, whyText } from "./why-text.ts";

interface WhyFlags extends EndpointFlags, DatabaseFlags {
  readonly port?: string;
  readonly protocol?: string;
  readonly trace?: true;
  readonly json?: true;
}

interface PlanFlags extends EndpointFlags {
  readonly filename: string;
  readonly delete?: true;
  readonly json?: true;
}

interface LogFlags extends EndpointFlags {
  readonly file: readonly string[];
  readonly follow?: true;
  readonly namespace?: string;
  readonly json?: true;
}

interface AddressFlags extends EndpointFlags {
  readonly subnet?: string;
  readonly pod?: string;
  readonly node?: string;
  readonly address?: string;
  readonly json?: true;
}

/** What the program writes to, and what it ends with. */
export interface Outlet {
  out(text: string): void;
  error(text: string): void;
  exit(status: number): void;
  /** For what goes on until it is told to end; whoever has not asked ends at once, as programs do. */
  untilStopped(): AbortSignal;
}

/** Where Debian's packages let ovn-controller write. */
const defaultLogFile = "/var/log/ovn/ovn-controller.log";

function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

function port(text: string): string {
  if (/^\d{1,5}$/.test(text) ? Number(text) >= 1 && Number(text) <= 65_535 : /^[a-z0-9-]{1,63}$/i.test(text))
    return text;
  throw new InvalidArgumentError("It must be a number from 1 to 65535, or the name of a Service's port.");
}

/** A row by its own UUID, or by that of a flow that is made of it. @throws CliError REFUSED */
async function aclOf(uuid: string, client: ControllerClient, database: DatabaseFlags): Promise<AclAnswer> {
  const ask = async (wanted: string) => answerOf("acl", await client.get(`/acls/${encodeURIComponent(wanted)}`));
  try {
    return await ask(uuid);
  } catch (error) {
    const hint = isRefusal(error, "NOT_FOUND") ? await stageHint(uuid, database) : undefined;
    if (hint === undefined) throw error;
    return ask(hint);
  }
}

function isRefusal(error: unknown, code: string): boolean {
  return error instanceof CliError && error.code === "REFUSED" && error.message.startsWith(`${code}: `);
}

/** Where the model and the database differ: the row in which the packet ended. */
async function withRow(trace: Trace, client: ControllerClient, database: DatabaseFlags): Promise<Trace> {
  const flow = differs(trace) ? lastFlow(trace) : undefined;
  const hint = flow === undefined ? undefined : await stageHint(flow, database);
  if (hint === undefined) return trace;
  try {
    const { uuid, meaning } = await aclOf(hint, client, database);
    return { ...trace, row: { uuid, meaning } };
  } catch (error) {
    // What isn't made of an ACL has no such row.
    if (isRefusal(error, "NOT_FOUND")) return trace;
    throw error;
  }
}

async function whyAcl(uuid: string, flags: WhyFlags, outlet: Outlet): Promise<void> {
  if (!/^[0-9a-f]{8}[0-9a-f-]*$/i.test(uuid)) {
    throw new CliError(
      "USAGE",
      `${JSON.stringify(uuid)} is no ACL's UUID: say FROM and TO, or at least eight digits of a UUID`,
    );
  }
  if (flags.trace === true) throw new CliError("USAGE", "--trace is for FROM and TO");
  const acl = await aclOf(uuid, createControllerClient(flags.controller), flags);
  outlet.out(flags.json === true ? json(acl) : aclText(acl));
}

async function why(from: string, to: string, flags: WhyFlags, outlet: Outlet): Promise<void> {
  const client = createControllerClient(flags.controller);
  const { port: asked, protocol } = flags;
  if (flags.trace !== true) {
    const answer = answerOf("why", await client.get("/why", { from, to, port: asked, protocol }));
    outlet.out(flags.json === true ? json(answer) : whyText(answer));
    return;
  }
  const answer = answerOf("why", await client.get("/why", { from, to, port: asked, protocol, flows: "true" }));
  const traced: Trace[] = [];
  for (const trace of await traces(answer, flags)) traced.push(await withRow(trace, client, flags));
  outlet.out(flags.json === true ? json({ ...answer, traces: traced }) : `${whyText(answer)}\n${tracesText(traced)}`);
  if (traced.some(differs)) outlet.exit(exitCodes.differs);
}

async function plan(flags: PlanFlags, outlet: Outlet): Promise<void> {
  const objects = await readObjects(flags.filename === "-" ? "-" : resolve(userFolder(), flags.filename));
  const client = createControllerClient(flags.controller);
  const answer = answerOf("plan", await client.post("/plan", { objects, delete: flags.delete === true }));
  outlet.out(flags.json === true ? json(answer) : planText(answer));
}

async function logs(flags: LogFlags, outlet: Outlet): Promise<void> {
  const entries = policyLog(createControllerClient(flags.controller), {
    files: flags.file.map((file) => resolve(userFolder(), file)),
    namespace: flags.namespace,
    follow: flags.follow === true ? outlet.untilStopped() : undefined,
    onProblem: (problem) => outlet.error(`ovenbird: ${problem}\n`),
  });
  // One object a line: a stream has no end at which an array could be closed.
  for await (const entry of entries)
    outlet.out(flags.json === true ? `${JSON.stringify(entry)}\n` : policyLogText(entry));
}

async function listAddresses(flags: AddressFlags, outlet: Outlet): Promise<void> {
  const { subnet, pod, node, address } = flags;
  const client = createControllerClient(flags.controller);
  const answer = answerOf("addresses", await client.get("/addresses", { subnet, pod, node, address }));
  outlet.out(flags.json === true ? json(answer) : addressesText(answer));
}

async function audit(flags: AddressFlags, outlet: Outlet): Promise<void> {
  const answer = answerOf("audit", await createControllerClient(flags.controller).get("/addresses/audit"));
  outlet.out(flags.json === true ? json(answer) : auditText(answer));
  if (answer.findings.length > 0) outlet.exit(exitCodes.differs);
}

/** The command line of `ovenbird`. */
export function program(outlet: Outlet, version: string): Command {
  const guarded =
    <A extends unknown[]>(action: (...args: A) => Promise<void>) =>
    async (...args: A): Promise<void> => {
      try {
        await action(...args);
      } catch (error) {
        if (!(error instanceof CliError)) throw error;
        outlet.error(`ovenbird: ${error.code}: ${error.message}\n`);
        outlet.exit(error.code === "USAGE" ? exitCodes.usage : exitCodes.failed);
      }
    };

  const ovenbird = new Command("ovenbird")
    .description("Asks an Ovenbird network about its policies and addresses.")
    .version(version)
    .configureOutput({ writeOut: (text) => outlet.out(text), writeErr: (text) => outlet.error(text) })
    .exitOverride();

  const whyCommand = ovenbird
    .command("why")
    .description("may FROM send to TO, and what decides it; or: what an ACL is for")
    .argument(
      "<from>",
      "namespace/pod, node:NAME or an address; or the UUID of an ACL, or of a flow made of it, or at least its first eight digits",
    )
    .argument("[to]", "namespace/pod, node:NAME, service:namespace/name[:port], an address or a domain name")
    .addOption(
      new Option("-p, --port <port>", "the destination's port, of a Service its own (default: all)").argParser(port),
    )
    .addOption(
      new Option("--protocol <protocol>", "default: tcp with a port, else all").choices(["tcp", "udp", "sctp", "icmp"]),
    )
    .option("--trace", "compare with ovn-trace on the live southbound database; exit status 3 when they differ")
    .option("--json", "print JSON")
    .addOption(controllerOption())
    .action(
      guarded((from: string, to: string | undefined, flags: WhyFlags) =>
        to === undefined ? whyAcl(from, flags, outlet) : why(from, to, flags, outlet),
      ),
    );
  for (const option of databaseOptions()) whyCommand.addOption(option);

  ovenbird
    .command("plan")
    .description("whose verdicts would change if policies were applied, or deleted; nothing is applied")
    .requiredOption("-f, --filename <file>", "YAML or JSON, also several documents; - for standard input")
    .option("--delete", "as if they were deleted")
    .option("--json", "print JSON")
    .addOption(controllerOption())
    .action(guarded((flags: PlanFlags) => plan(flags, outlet)));

  ovenbird
    .command("logs")
    .description("what is logged")
    .command("policy")
    .description("what policies logged on this node, with their names")
    .addOption(
      new Option("--file <files>", "ovn-controller's log files, by commas")
        .env("OVENBIRD_LOG_FILES")
        .argParser((text) => text.split(","))
        .default([defaultLogFile], defaultLogFile),
    )
    .option("--follow", "go on with what is logged from now on")
    .option("-n, --namespace <namespace>", "only NetworkPolicies of this namespace")
    .option("--json", "print JSON, one object a line")
    .addOption(controllerOption())
    .action(guarded((flags: LogFlags) => logs(flags, outlet)));

  const ip = ovenbird.command("ip").description("who has which addresses");
  ip.command("list")
    .description("pods and IPAddresses with what they have")
    .option("-s, --subnet <subnet>", "only those of this Subnet")
    .option("--pod <pod>", "only this pod: namespace/name")
    .option("--node <node>", "only pods of this node")
    .option("--address <address>", "only who has this one")
    .option("--json", "print JSON")
    .addOption(controllerOption())
    .action(guarded((flags: AddressFlags) => listAddresses(flags, outlet)));
  ip.command("audit")
    .description("do reservations, pods, ports and IPAddresses agree; exit status 3 when they don't")
    .option("--json", "print JSON")
    .addOption(controllerOption())
    .action(guarded((flags: AddressFlags) => audit(flags, outlet)));

  return ovenbird;
}
