/** Why the controller does not start, by code; each ends the process with status 2. */
export const configErrorCodes = {
  CONFIG_UNREADABLE: "The configuration file, or a certificate or key, can't be read",
  CONFIG_INVALID: "One or more options are missing, unknown or wrong; the message names each",
} as const;

export type ConfigErrorCode = keyof typeof configErrorCodes;

export class ConfigError extends Error {
  readonly code: ConfigErrorCode;

  constructor(code: ConfigErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ConfigError";
    this.code = code;
  }
}
