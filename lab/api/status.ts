import type { JsonObject } from "./object.ts";

/** One entry of `Status.details.causes`. */
export interface Cause {
  readonly reason: CauseReason;
  readonly message: string;
  readonly field: string;
}

export type CauseReason =
  | "FieldValueRequired"
  | "FieldValueInvalid"
  | "FieldValueDuplicate"
  | "FieldValueNotSupported"
  | "FieldValueForbidden"
  | "FieldValueTooLong"
  | "FieldValueTypeInvalid"
  | "ResourceVersionTooLarge";

/** The reasons of metav1.StatusReason that this server gives, with their HTTP status. */
const codes = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  AlreadyExists: 409,
  Conflict: 409,
  Gone: 410,
  Expired: 410,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  Invalid: 422,
  TooManyRequests: 429,
  InternalError: 500,
  ServiceUnavailable: 503,
  Timeout: 504,
} as const;

export type StatusReason = keyof typeof codes;

export interface StatusDetails {
  readonly name?: string | undefined;
  readonly group?: string | undefined;
  readonly kind?: string | undefined;
  readonly uid?: string | undefined;
  readonly causes?: readonly Cause[] | undefined;
  readonly retryAfterSeconds?: number | undefined;
}

/** A refusal; becomes a metav1.Status with the HTTP status that belongs to its reason. */
export class ApiError extends Error {
  readonly reason: StatusReason;
  readonly details: StatusDetails | undefined;

  constructor(reason: StatusReason, message: string, details?: StatusDetails) {
    super(message);
    this.name = "ApiError";
    this.reason = reason;
    this.details = details;
  }

  get code(): number {
    return codes[this.reason];
  }

  /** The body to answer with (metav1.Status). */
  toStatus(): JsonObject {
    return {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: this.message,
      reason: this.reason,
      ...(this.details === undefined ? {} : { details: JSON.parse(JSON.stringify(this.details)) }),
      code: this.code,
    };
  }
}

/** What the message of a refusal names: `pods` or `deployments.apps`. */
export interface Named {
  readonly group: string;
  readonly plural: string;
  readonly kind: string;
}

function qualified({ group, plural }: Named): string {
  return group === "" ? plural : `${plural}.${group}`;
}

export function badRequest(message: string): ApiError {
  return new ApiError("BadRequest", message);
}

export function notFound(type: Named, name: string): ApiError {
  return new ApiError("NotFound", `${qualified(type)} ${JSON.stringify(name)} not found`, {
    name,
    group: type.group || undefined,
    kind: type.plural,
  });
}

export function alreadyExists(type: Named, name: string): ApiError {
  return new ApiError("AlreadyExists", `${qualified(type)} ${JSON.stringify(name)} already exists`, {
    name,
    group: type.group || undefined,
    kind: type.plural,
  });
}

export function conflict(type: Named, name: string, why: string): ApiError {
  return new ApiError(
    "Conflict",
    `Operation cannot be fulfilled on ${qualified(type)} ${JSON.stringify(name)}: ${why}`,
    {
      name,
      group: type.group || undefined,
      kind: type.plural,
    },
  );
}

export function forbidden(type: Named, name: string, why: string, causes?: readonly Cause[]): ApiError {
  return new ApiError("Forbidden", `${qualified(type)} ${JSON.stringify(name)} is forbidden: ${why}`, {
    name,
    group: type.group || undefined,
    kind: type.plural,
    causes,
  });
}

/** 422 with one cause per fault, worded as upstream's `field.ErrorList`. */
export function invalid(type: Named, name: string, causes: readonly Cause[]): ApiError {
  const texts = causes.map((cause) => `${cause.field}: ${cause.message}`);
  const what = texts.length === 1 ? texts[0] : `[${texts.join(", ")}]`;
  return new ApiError(
    "Invalid",
    `${type.group === "" ? type.kind : `${type.kind}.${type.group}`} ${JSON.stringify(name)} is invalid: ${what}`,
    {
      name,
      group: type.group || undefined,
      kind: type.kind,
      causes,
    },
  );
}

export function methodNotAllowed(): ApiError {
  return new ApiError("MethodNotAllowed", "the server does not allow this method on the requested resource");
}

export function unknownResource(): ApiError {
  return new ApiError("NotFound", "the server could not find the requested resource");
}

/** The requested resourceVersion lies before what the server still remembers. */
export function expired(message: string): ApiError {
  return new ApiError("Expired", message);
}

export const causes = {
  required: (field: string, detail = ""): Cause => ({
    reason: "FieldValueRequired",
    message: detail === "" ? "Required value" : `Required value: ${detail}`,
    field,
  }),
  invalid: (field: string, value: unknown, detail: string): Cause => ({
    reason: "FieldValueInvalid",
    message: `Invalid value: ${shown(value)}: ${detail}`,
    field,
  }),
  duplicate: (field: string, value: unknown): Cause => ({
    reason: "FieldValueDuplicate",
    message: `Duplicate value: ${shown(value)}`,
    field,
  }),
  notSupported: (field: string, value: unknown, supported: readonly string[]): Cause => ({
    reason: "FieldValueNotSupported",
    message: `Unsupported value: ${shown(value)}: supported values: ${supported.map((one) => JSON.stringify(one)).join(", ")}`,
    field,
  }),
  forbidden: (field: string, detail: string): Cause => ({
    reason: "FieldValueForbidden",
    message: `Forbidden: ${detail}`,
    field,
  }),
  tooLong: (field: string, limit: number): Cause => ({
    reason: "FieldValueTooLong",
    message: `Too long: may not be more than ${limit} bytes`,
    field,
  }),
  typeInvalid: (field: string, value: unknown, detail: string): Cause => ({
    reason: "FieldValueTypeInvalid",
    message: `Invalid value: ${shown(value)}: ${detail}`,
    field,
  }),
};

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "null";
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
