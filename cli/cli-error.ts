/** Why a command fails, with what it means. */
export const cliErrorCodes = {
  USAGE: "The command line can't be understood.",
  CONTROLLER_UNREACHABLE: "No controller answers at the addresses given.",
  REFUSED: "The controller refuses the question; the message begins with its own code.",
  UNEXPECTED_ANSWER: "What answers is no controller, or one of another version.",
  FILE_UNREADABLE: "A file can't be read, or holds no YAML.",
  TRACE_FAILED: "ovn-trace can't be run, or can't ask the southbound database.",
} as const satisfies Record<string, string>;

export type CliErrorCode = keyof typeof cliErrorCodes;

/** What the program ends with. */
export const exitCodes = {
  /** Answered, whatever the verdict. */
  answered: 0,
  failed: 1,
  usage: 2,
  /** Model and trace, or two who know of addresses, say different things. */
  differs: 3,
} as const;

export class CliError extends Error {
  readonly code: CliErrorCode;
  constructor(code: CliErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "CliError";
    this.code = code;
  }
}
