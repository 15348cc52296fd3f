/**
 * What went wrong, as a code to branch on, with what it means. Those up to UNEXPECTED_STATUS are of the server's making
 * (`Status.reason`, apimachinery `meta/v1` types.go; the HTTP status where the reason is empty), the others of this side's.
 */
export const kubeErrorCodes = {
  BAD_REQUEST: "the server can't read the request",
  UNAUTHORIZED: "the server does not know who asks: look at the kubeconfig's credentials",
  FORBIDDEN: "the credentials do not allow it: see deploy/rbac.yaml",
  NOT_FOUND: "there is no such object or resource",
  ALREADY_EXISTS: "there is an object of that name",
  CONFLICT: "the object was changed meanwhile, or is another one of that name",
  GONE: "the server has forgotten the version asked for; everything is listed again",
  INVALID: "the server refuses the object's content",
  METHOD_NOT_ALLOWED: "the resource does not know the verb",
  NOT_ACCEPTABLE: "the server can't answer in the form asked for",
  UNSUPPORTED_MEDIA_TYPE: "the server does not take the body's form",
  REQUEST_TOO_LARGE: "the request is larger than the server takes",
  TOO_MANY_REQUESTS: "the server asks for patience; it is asked again later",
  SERVER_TIMEOUT: "the server ran out of time",
  INTERNAL_ERROR: "the server failed",
  UNAVAILABLE: "the server can't serve now",
  UNEXPECTED_STATUS: "an HTTP status that means none of these",
  UNREACHABLE: "no connection; nothing was sent",
  CONNECTION_LOST: "the connection broke after the request was sent: it may have been carried out",
  TIMED_OUT: "no answer in time: it may have been carried out",
  ABORTED: "the caller gave up",
  RESPONSE_TOO_LARGE: "the answer is larger than the bound",
  MALFORMED_RESPONSE: "the answer is not what the protocol has",
  CREDENTIALS_FAILED: "an exec plugin, a token file or a provider gave no credentials",
  INVALID_CONFIG: "there is no kubeconfig, or it is not usable; the message says why",
  CLOSED: "the client was closed",
} as const;

export type KubeErrorCode = keyof typeof kubeErrorCodes;

export interface KubeErrorOptions {
  readonly status?: number;
  readonly reason?: string;
  readonly details?: unknown;
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

/** The one error of this package. */
export class KubeError extends Error {
  override readonly name = "KubeError";
  readonly code: KubeErrorCode;
  /** The HTTP status, where the server answered. */
  readonly status: number | undefined;
  /** `Status.reason` as the server wrote it. */
  readonly reason: string | undefined;
  /** `Status.details`: causes by field, and so on. */
  readonly details: unknown;
  /** How long the server asks to be left alone (`Retry-After`, or `Status.details.retryAfterSeconds`). */
  readonly retryAfterMs: number | undefined;

  constructor(code: KubeErrorCode, message: string, options: KubeErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.status = options.status;
    this.reason = options.reason;
    this.details = options.details;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** Whether `error` is a KubeError, of one of `codes` where any are given. */
export function isKubeError<Code extends KubeErrorCode>(
  error: unknown,
  ...codes: readonly Code[]
): error is KubeError & { readonly code: Code } {
  return error instanceof KubeError && (codes.length === 0 || codes.some((code) => code === error.code));
}

const codeOfReason: ReadonlyMap<string, KubeErrorCode> = new Map<string, KubeErrorCode>([
  ["BadRequest", "BAD_REQUEST"],
  ["Unauthorized", "UNAUTHORIZED"],
  ["Forbidden", "FORBIDDEN"],
  ["NotFound", "NOT_FOUND"],
  ["AlreadyExists", "ALREADY_EXISTS"],
  ["Conflict", "CONFLICT"],
  ["Gone", "GONE"],
  ["Expired", "GONE"],
  ["Invalid", "INVALID"],
  ["MethodNotAllowed", "METHOD_NOT_ALLOWED"],
  ["NotAcceptable", "NOT_ACCEPTABLE"],
  ["UnsupportedMediaType", "UNSUPPORTED_MEDIA_TYPE"],
  ["RequestEntityTooLarge", "REQUEST_TOO_LARGE"],
  ["TooManyRequests", "TOO_MANY_REQUESTS"],
  ["ServerTimeout", "SERVER_TIMEOUT"],
  ["Timeout", "SERVER_TIMEOUT"],
  ["InternalError", "INTERNAL_ERROR"],
  ["StorageReadError", "INTERNAL_ERROR"],
  ["ServiceUnavailable", "UNAVAILABLE"],
]);

const codeOfStatus: ReadonlyMap<number, KubeErrorCode> = new Map<number, KubeErrorCode>([
  [400, "BAD_REQUEST"],
  [401, "UNAUTHORIZED"],
  [403, "FORBIDDEN"],
  [404, "NOT_FOUND"],
  [405, "METHOD_NOT_ALLOWED"],
  [406, "NOT_ACCEPTABLE"],
  [409, "CONFLICT"],
  [410, "GONE"],
  [413, "REQUEST_TOO_LARGE"],
  [415, "UNSUPPORTED_MEDIA_TYPE"],
  [422, "INVALID"],
  [429, "TOO_MANY_REQUESTS"],
  [500, "INTERNAL_ERROR"],
  [502, "UNAVAILABLE"],
  [503, "UNAVAILABLE"],
  [504, "SERVER_TIMEOUT"],
]);

/**
 * The error that a `Status` object stands for, be it the body of an answer or the object of a watch's ERROR event.
 * @param status the HTTP status; 0 takes it from the object
 * @param body the decoded body; anything that is no Status gives an error by the HTTP status alone
 * @param what names the request in the message
 */
export function errorOfStatus(status: number, body: unknown, what: string, retryAfterMs?: number): KubeError {
  const fields = typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  const isStatus = fields.kind === "Status";
  const reason = isStatus && typeof fields.reason === "string" ? fields.reason : undefined;
  const httpStatus = status !== 0 ? status : typeof fields.code === "number" ? fields.code : 0;
  const text = isStatus && typeof fields.message === "string" ? fields.message : `HTTP status ${httpStatus}`;
  const details = isStatus ? fields.details : undefined;
  const seconds = (details as { retryAfterSeconds?: unknown } | undefined | null)?.retryAfterSeconds;
  const wait = retryAfterMs ?? (typeof seconds === "number" && seconds > 0 ? seconds * 1000 : undefined);
  return new KubeError(
    (reason === undefined ? undefined : codeOfReason.get(reason)) ??
      codeOfStatus.get(httpStatus) ??
      "UNEXPECTED_STATUS",
    `${what}: ${text}`,
    {
      status: httpStatus,
      ...(reason === undefined ? {} : { reason }),
      ...(details === undefined ? {} : { details }),
      ...(wait === undefined ? {} : { retryAfterMs: wait }),
    },
  );
}

/** What an error says; anything may be thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The error as this package's own: a KubeError as it is, anything else as the cause of a MALFORMED_RESPONSE. */
export function asKubeError(error: unknown): KubeError {
  return error instanceof KubeError ? error : new KubeError("MALFORMED_RESPONSE", messageOf(error), { cause: error });
}
