/** Why the applier could not write something, by code. */
export const applyErrorCodes = {
  UNKNOWN_TABLE:
    "Translation made a row for a table that the connected northbound schema lacks or the applier doesn't manage",
  UNKNOWN_COLUMN: "Translation made a column that the connected northbound schema lacks or the applier doesn't manage",
  ROW_VANISHED:
    "A row was committed and is gone: nothing refers to it any more, for somebody removed its parent meanwhile",
  REJECTED: "The northbound database refuses the rows; the message holds its own words",
} as const;

export type ApplyErrorCode = keyof typeof applyErrorCodes;

export class ApplyError extends Error {
  readonly code: ApplyErrorCode;

  constructor(code: ApplyErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ApplyError";
    this.code = code;
  }
}
