import type { AclAnswer, AddressAudit, AddressList, PlanAnswer, WhyAnswer } from "@ovenbird/controller";
import { CliError } from "./cli-error.ts";

interface Answers {
  readonly why: WhyAnswer;
  readonly acl: AclAnswer;
  readonly acls: { readonly acls: readonly AclAnswer[] };
  readonly plan: PlanAnswer;
  readonly addresses: AddressList;
  readonly audit: AddressAudit;
}

type Kind = "array" | "number" | "object" | "string";

/** What each answer must have, lest something else that answers is taken for a controller. */
const fields: { readonly [K in keyof Answers]: { readonly [F in keyof Answers[K]]?: Kind } } = {
  why: { from: "object", to: "object", verdict: "string", paths: "array", notes: "array" },
  acl: {
    uuid: "string",
    meaning: "string",
    direction: "string",
    action: "string",
    priority: "number",
    match: "string",
  },
  acls: { acls: "array" },
  plan: { policies: "array", changes: "array", pairs: "number", notes: "array" },
  addresses: { holdings: "array" },
  audit: { compared: "object", findings: "array" },
};

function kindOf(value: unknown): string {
  return Array.isArray(value) ? "array" : value === null ? "null" : typeof value;
}

/** Takes what was answered for what it should be. @throws CliError UNEXPECTED_ANSWER */
export function answerOf<K extends keyof Answers>(kind: K, body: unknown): Answers[K] {
  const record = typeof body === "object" && body !== null ? (body as Readonly<Record<string, unknown>>) : {};
  for (const [field, expected] of Object.entries(fields[kind])) {
    if (kindOf(record[field]) === expected) continue;
    throw new CliError(
      "UNEXPECTED_ANSWER",
      `the answer has no ${field}: is it Ovenbird's controller, and of the command's version?`,
    );
  }
  return record as Answers[K];
}
