/** Where this package reports what a reader of the log should know; a pino logger fits as it is. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** Says nothing: what is used when no logger is given. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {} };
