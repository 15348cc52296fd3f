import type { AclAnswer } from "@ovenbird/controller";
import { answerOf } from "./answers.ts";
import { CliError } from "./cli-error.ts";
import type { ControllerClient } from "./controller-client.ts";

/** What a name in the log stands for. */
export interface LoggedPolicy {
  readonly policy?: { readonly kind: string; readonly name: string };
  /** Of a NetworkPolicy. */
  readonly namespace?: string;
  /** Absent where no rule decided. */
  readonly rule?: number;
  /** Present where it was dropped because a NetworkPolicy isolates and none allows. */
  readonly isolation?: true;
}

const kinds: Readonly<Record<string, string>> = {
  NP: "NetworkPolicy",
  ANP: "AdminNetworkPolicy",
  BANP: "BaselineAdminNetworkPolicy",
  CNP: "ClusterNetworkPolicy",
};

/** How many names are remembered. */
const maxNames = 10_000;

function namespaceOf(kind: string, key: string): { readonly namespace?: string } {
  return kind === "NetworkPolicy" ? { namespace: key.split("/")[0] ?? "" } : {};
}

/** Reads a name that says all itself, as `NP/shop/web:ingress:0`; undefined for one that was too long, or isn't ours. */
export function readLogName(name: string): LoggedPolicy | undefined {
  const [, short = "", key, rule] =
    /^([A-Z]+)\/([a-z0-9.-]+(?:\/[a-z0-9.-]+)?):(?:ingress|egress):(\d+|isolation|overflow)(?:[.@][^~]*)?$/.exec(
      name,
    ) ?? [];
  const kind = kinds[short];
  if (kind === undefined || key === undefined) return undefined;
  const number = Number(rule);
  return {
    policy: { kind, name: key },
    ...namespaceOf(kind, key),
    ...(Number.isInteger(number) ? { rule: number } : {}),
    ...(rule === "isolation" ? { isolation: true } : {}),
  };
}

function policyOf({ origin }: AclAnswer): LoggedPolicy | undefined {
  if (origin === undefined) return undefined;
  const { kind, name } = origin.policy;
  return {
    policy: { kind, name },
    ...namespaceOf(kind, name),
    ...(origin.rule === undefined ? {} : { rule: origin.rule }),
    ...(origin.part === "isolation" ? { isolation: true } : {}),
  };
}

/** How long a controller that gave no answer is left alone: who follows a log may outlive many of them. */
const restMs = 10_000;

/**
 * Finds what names stand for; asks the controller for those that are cut, each once.
 * @param onProblem told when it can't be asked, once until it can again
 */
export function createLogNames(
  client: ControllerClient,
  onProblem: (problem: string) => void,
): (name: string) => Promise<LoggedPolicy | undefined> {
  const known = new Map<string, LoggedPolicy | undefined>();
  /** 0: at any time. */
  let askAgainAt = 0;

  async function ask(name: string): Promise<LoggedPolicy | undefined> {
    try {
      const { acls } = answerOf("acls", await client.get("/acls", { name }));
      askAgainAt = 0;
      return acls[0] === undefined ? undefined : policyOf(acls[0]);
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      if (askAgainAt === 0) onProblem(`names that are cut stay as they are for now: ${error.message}`);
      askAgainAt = performance.now() + restMs;
      return undefined;
    }
  }

  return async (name) => {
    const read = readLogName(name);
    if (read !== undefined) return read;
    if (known.has(name)) return known.get(name);
    if (performance.now() < askAgainAt) return undefined;
    const found = await ask(name);
    if (askAgainAt !== 0) return undefined;
    if (known.size >= maxNames) known.clear();
    known.set(name, found);
    return found;
  };
}
