/**
 * Every code that an {@link OvsdbError} can bear, with what it means. The table in README.md lists the same
 * codes; a test holds the two together.
 */
export const ovsdbErrorCodes = {
  ABORTED: "The caller's AbortSignal fired; a transaction that was already sent may still have been executed",
  BACKPRESSURE: "Too many requests or bytes wait for the server; nothing was sent",
  CANCELED: "The server canceled the request on our demand; it was not executed",
  CLOSED: "The client, the replica or the lock was closed",
  CONNECT_FAILED: "An endpoint could not be reached, or its TLS handshake failed",
  CONNECTION_LOST: "The connection ended while something was waiting for it",
  CONSTRAINT_VIOLATION:
    "The transaction would break a constraint of the schema: enum, range, size, unique index, immutable column",
  DOMAIN_ERROR: "A mutation is not defined for its operand, such as a division by zero",
  DUPLICATE_UUID: "An insert names a uuid or uuid-name that exists already",
  INVALID_ARGUMENT:
    "The caller passed something that can't be sent: an unknown table or column, a value of the wrong type, a malformed endpoint",
  IO_ERROR: "The server could not write its storage",
  MALFORMED_MESSAGE: "The server sent something that is not a valid message of the protocol",
  MESSAGE_TOO_LARGE: "A message is larger than maxMessageBytes, or a part of it larger than a string can be",
  NESTING_TOO_DEEP: "A message nests deeper than the protocol ever does",
  NOT_ALLOWED: "The server refuses the operation for this client (role based access control, or a read-only server)",
  NOT_CONNECTED: "There is no connection to a suitable server at the moment; nothing was sent",
  NOT_LEADER: "The server is not the leader of its cluster",
  NOT_OWNER: "An assert operation failed: this client does not hold the lock",
  NOT_SUPPORTED: "The server doesn't know the method or operation",
  OUTCOME_UNKNOWN: "The transaction was sent and its reply never came: it may or may not have been executed",
  PROBE_TIMEOUT: "The server sent no byte in two probe intervals",
  RANGE_ERROR: "The result of a mutation doesn't fit its column",
  REFERENTIAL_INTEGRITY:
    "The transaction would leave a strong reference to a row that doesn't exist, or delete a referenced one",
  RESOURCES_EXHAUSTED: "The server has too little memory or too many connections for this",
  SERVER_ERROR: "The server answered with an error that has no code of its own; details hold it",
  STALE_SERVER: "The server's data is older than what this client has seen already",
  SYNTAX_ERROR: "The server can't parse the request",
  TIMED_OUT: "A wait operation, or a wait of this client, ran out of time",
  UNKNOWN_DATABASE: "The server doesn't serve the database",
  USER_ABORT: "The transaction held an abort operation",
} as const;

export type OvsdbErrorCode = keyof typeof ovsdbErrorCodes;

export interface OvsdbErrorOptions {
  readonly details?: unknown;
  /** Position in the transaction of the operation that failed; absent when the commit as a whole failed. */
  readonly operationIndex?: number;
  readonly cause?: unknown;
}

/** The one error class of this package; `code` says what happened, `details` hold what the server said. */
export class OvsdbError extends Error {
  readonly code: OvsdbErrorCode;
  readonly details?: unknown;
  readonly operationIndex: number | undefined;

  constructor(code: OvsdbErrorCode, message: string, options: OvsdbErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "OvsdbError";
    this.code = code;
    this.details = options.details;
    this.operationIndex = options.operationIndex;
  }
}

/** The `error` strings of RFC 7047 section 3.1 and 5.2 and of ovsdb-server, and the code each becomes. */
const codeOfServerError: ReadonlyMap<string, OvsdbErrorCode> = new Map([
  ["aborted", "USER_ABORT"],
  ["canceled", "CANCELED"],
  ["constraint violation", "CONSTRAINT_VIOLATION"],
  ["domain error", "DOMAIN_ERROR"],
  ["duplicate uuid", "DUPLICATE_UUID"],
  ["duplicate uuid-name", "DUPLICATE_UUID"],
  ["duplicate uuid name", "DUPLICATE_UUID"],
  ["I/O error", "IO_ERROR"],
  ["integrity error", "MALFORMED_MESSAGE"],
  ["not allowed", "NOT_ALLOWED"],
  ["not leader", "NOT_LEADER"],
  ["not owner", "NOT_OWNER"],
  ["not supported", "NOT_SUPPORTED"],
  ["permission error", "NOT_ALLOWED"],
  ["range error", "RANGE_ERROR"],
  ["referential integrity violation", "REFERENTIAL_INTEGRITY"],
  ["resources exhausted", "RESOURCES_EXHAUSTED"],
  ["syntax error", "SYNTAX_ERROR"],
  ["timed out", "TIMED_OUT"],
  ["unknown column", "SYNTAX_ERROR"],
  ["unknown database", "UNKNOWN_DATABASE"],
  ["unknown method", "NOT_SUPPORTED"],
  ["unknown operation", "NOT_SUPPORTED"],
  ["unknown table", "SYNTAX_ERROR"],
  // The cluster's own: the entry may or may not have reached a majority.
  ["cluster error", "OUTCOME_UNKNOWN"],
]);

/**
 * The error for an `error` member of a reply or of one operation's result.
 * @param error a string, or an object with `error`, `details` and sometimes `syntax` (RFC 7047 section 3.1)
 */
export function serverError(error: unknown, context: string, operationIndex?: number): OvsdbError {
  const record = typeof error === "object" && error !== null ? (error as Record<string, unknown>) : undefined;
  const tag = typeof error === "string" ? error : typeof record?.error === "string" ? record.error : "unknown error";
  const said = typeof record?.details === "string" ? record.details : undefined;
  const syntax = typeof record?.syntax === "string" ? ` (${record.syntax})` : "";
  return new OvsdbError(
    codeOfServerError.get(tag) ?? "SERVER_ERROR",
    `${context}: ${tag}${said === undefined ? "" : `: ${said}`}${syntax}`,
    { details: error, ...(operationIndex === undefined ? {} : { operationIndex }) },
  );
}
