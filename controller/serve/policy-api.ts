import { Hono, type MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import * as z from "zod";
import { type AclRow, aclAnswers, aclByUuid } from "../explain/acl-answer.ts";
import type { WhyAnswer } from "../explain/answer.ts";
import { ExplainError, type ExplainErrorCode } from "../explain/explain-error.ts";
import type { FlowPorts } from "../explain/microflow.ts";
import { createPace } from "../explain/pace.ts";
import { planOf } from "../explain/plan.ts";
import { createExplainer } from "../explain/why.ts";
import type { PolicyModel } from "../graph/policy-model.ts";
import type { Cidr } from "../ipam/address.ts";

/** What the answers come from: the term of whoever leads. */
export interface PolicyApiSource {
  /** Undefined until all objects have been seen. */
  model(): PolicyModel | undefined;
  readonly flows: FlowPorts;
  /** Those of the Services' cluster addresses. */
  readonly serviceNetworks: readonly Cidr[];
  acls(): Iterable<AclRow>;
}

export interface PolicyApiOptions {
  /** Undefined while another controller leads. */
  readonly source: () => PolicyApiSource | undefined;
  /** Who leads, as far as it is known. */
  readonly leader: () => string | undefined;
}

/** The body of every answer that is none. */
export interface ApiError {
  readonly error: {
    readonly code: ExplainErrorCode;
    readonly message: string;
    /** With NOT_LEADING: the identity of the controller that leads. */
    readonly leader?: string;
  };
}

/** What one answer of a batch is. */
export type BatchAnswer = WhyAnswer | ApiError;

export const maxQueries = 10_000;
const maxBatchBytes = 4 << 20;
const maxPlanBytes = 8 << 20;
/** Of one batch's answers, in characters. */
const maxAnswerLength = 64 << 20;
/** Questions are answered so long before other work gets its turn. */
const turnMs = 10;
/** What is computed at a time, from the first byte of the question on. */
const atOnce = { plans: 2, batches: 4 };

const statuses = {
  BAD_QUERY: 400,
  INVALID_OBJECT: 422,
  NOT_FOUND: 404,
  NO_ADDRESS: 409,
  AMBIGUOUS: 409,
  TOO_MUCH: 429,
  NOT_LEADING: 503,
  NOT_READY: 503,
} as const satisfies Record<ExplainErrorCode, number>;

const text = z.string().min(1).max(512);
const query = z.strictObject({
  from: text,
  to: text,
  port: z
    .union([text, z.number().transform(String)])
    .optional()
    .describe("number of the port; for a Service also its port's name"),
  protocol: z
    .string()
    .toLowerCase()
    .pipe(z.enum(["tcp", "udp", "sctp", "icmp"]))
    .optional(),
});
const flag = z.enum(["true", "false"]).transform((value) => value === "true");
const asked = query.extend({ changes: flag.optional(), flows: flag.optional() });
const batch = z.strictObject({
  queries: z.array(query).max(maxQueries),
  changes: z.boolean().default(false),
  flows: z.boolean().default(false),
});
const planRequest = z.strictObject({
  objects: z.array(z.looseObject({})).min(1).max(1000),
  delete: z.boolean().default(false),
});

/** @throws ExplainError BAD_QUERY */
function read<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new ExplainError(
    "BAD_QUERY",
    `${issue?.path.join(".") || "the request"}: ${issue?.message ?? "can't be read"}`,
  );
}

/** @throws ExplainError BAD_QUERY */
async function json(request: { json(): Promise<unknown> }): Promise<unknown> {
  try {
    return await request.json();
  } catch (error) {
    if (error instanceof SyntaxError) throw new ExplainError("BAD_QUERY", `the body is no JSON: ${error.message}`);
    throw error;
  }
}

/** Refuses what is more than so many at a time, before anything of it is read. */
function few(most: number, what: string): MiddlewareHandler {
  let current = 0;
  return async (_context, next) => {
    if (current >= most) throw new ExplainError("TOO_MUCH", `${most} ${what} are being computed: ask again`);
    current++;
    try {
      await next();
    } finally {
      current--;
    }
  };
}

function limited(maxSize: number) {
  return bodyLimit({
    maxSize,
    onError: (context) => {
      const body: ApiError = { error: { code: "TOO_MUCH", message: `the body has more than ${maxSize} bytes` } };
      return context.json(body, 413);
    },
  });
}

/**
 * `/v1/why`, `/v1/acls`, `/v1/plan`: questions about policies, answered by the controller that leads from what it has in
 * memory. docs/why.md describes requests and answers.
 */
export function policyApi(options: PolicyApiOptions): Hono {
  const app = new Hono();

  /** @throws ExplainError NOT_LEADING */
  function source(): PolicyApiSource {
    const found = options.source();
    if (found !== undefined) return found;
    const leader = options.leader();
    throw new ExplainError(
      "NOT_LEADING",
      `this controller stands by${leader === undefined ? "" : `; ${leader} leads`}`,
    );
  }

  /** @throws ExplainError NOT_LEADING, NOT_READY */
  function model(): PolicyModel {
    const found = source().model();
    if (found === undefined) throw new ExplainError("NOT_READY", "not all objects have been seen yet");
    return found;
  }

  app.onError((error, context) => {
    if (!(error instanceof ExplainError)) throw error;
    const { code, message } = error;
    const leader = code === "NOT_LEADING" ? options.leader() : undefined;
    const body: ApiError = { error: { code, message, ...(leader === undefined ? {} : { leader }) } };
    return context.json(body, statuses[code]);
  });

  app.get("/why", (context) => {
    const { changes = true, flows = false, ...question } = read(asked, context.req.query());
    const answer = createExplainer(model(), source().serviceNetworks).why(question, {
      changes,
      ...(flows ? { flows: source().flows } : {}),
    });
    return context.json(answer);
  });

  app.post("/why", few(atOnce.batches, "batches"), limited(maxBatchBytes), async (context) => {
    const { queries, changes, flows } = read(batch, await json(context.req));
    const pace = createPace(turnMs, Number.POSITIVE_INFINITY);
    const how = { changes, ...(flows ? { flows: source().flows } : {}) };
    const explainer = () => createExplainer(model(), source().serviceNetworks);
    const answers: string[] = [];
    let length = 0;
    let current = explainer();
    for (const question of queries) {
      if (pace.isDue()) {
        await pace.rest();
        // What it knows may have changed meanwhile.
        current = explainer();
      }
      const answer = JSON.stringify(answerOr(() => current.why(question, how)));
      length += answer.length;
      if (length > maxAnswerLength)
        throw new ExplainError("TOO_MUCH", `the answers have more than ${maxAnswerLength} characters: ask for fewer`);
      answers.push(answer);
    }
    return context.body(`{"answers":[${answers.join()}]}`, 200, { "content-type": "application/json" });
  });

  app.get("/acls/:uuid", (context) => context.json(aclByUuid(source().acls(), context.req.param("uuid"), policyAt())));

  app.get("/acls", (context) => {
    const { name } = read(z.strictObject({ name: z.string().min(1).max(63) }), context.req.query());
    const rows = [...source().acls()].filter((row) => row.name === name);
    return context.json({ acls: aclAnswers(rows, policyAt()) });
  });

  app.post("/plan", few(atOnce.plans, "plans"), limited(maxPlanBytes), async (context) => {
    const request = read(planRequest, await json(context.req));
    return context.json(await planOf(model(), request));
  });

  function policyAt() {
    const known = source().model();
    return (id: string) => known?.policies.get(id);
  }

  return app;
}

function answerOr(ask: () => WhyAnswer): BatchAnswer {
  try {
    return ask();
  } catch (error) {
    if (!(error instanceof ExplainError)) throw error;
    return { error: { code: error.code, message: error.message } };
  }
}
