/** Why a question about policies gets no answer, with what it means. */
export const explainErrorCodes = {
  BAD_QUERY: "The question can't be read; the message says which part and what it may be.",
  NOT_FOUND: "There is no pod, node, Service, port or row of that name.",
  NO_ADDRESS: "The pod has no address: it is not placed yet, has ended, or its node has no network.",
  AMBIGUOUS: "More than one row begins with the digits given, or pods of several tenants have the address.",
  INVALID_OBJECT: "An object to plan with is no policy, or a policy with problems; the message names each.",
  TOO_MUCH: "The question is larger than what is answered at once.",
  NOT_LEADING: "This controller stands by; the message names the one that leads.",
  NOT_READY: "The controller has not seen all objects yet.",
} as const satisfies Record<string, string>;

export type ExplainErrorCode = keyof typeof explainErrorCodes;

export class ExplainError extends Error {
  readonly code: ExplainErrorCode;
  constructor(code: ExplainErrorCode, message: string) {
    super(message);
    this.name = "ExplainError";
    this.code = code;
  }
}
