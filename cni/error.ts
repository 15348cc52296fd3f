import type { CniErrorBody } from "./wire.ts";

/** Error codes of the CNI specification (section 5, "Error"), and ours from 100 on. */
export const cniErrorCodes = {
  /** The configuration's cniVersion is not one that we speak. */
  incompatibleVersion: 1,
  /** A field of the configuration is not supported. */
  unsupportedField: 2,
  /** The container is unknown or does not exist. */
  unknownContainer: 3,
  /** A `CNI_*` variable is missing or invalid. */
  invalidEnvironment: 4,
  /** Input could not be read. */
  inputOutput: 5,
  /** Input could not be decoded as JSON. */
  decoding: 6,
  /** The network configuration is invalid. */
  invalidConfiguration: 7,
  /** A passing state: the runtime should try again later. */
  tryAgainLater: 11,
  /** STATUS: the plugin can't service ADD. */
  unavailable: 50,
  /** STATUS: new containers would have limited connectivity. */
  limitedConnectivity: 51,
  /** The agent answered with something that is no answer. */
  invalidAnswer: 100,
} as const;

/** Ends a call with an error; the plugin prints it as the specification's error object. */
export class CniFailure extends Error {
  readonly code: number;
  readonly details: string | undefined;

  /**
   * @param code one of {@link cniErrorCodes}
   * @param message what went wrong, in one line
   * @param details what a person may need to repair it
   */
  constructor(code: number, message: string, details?: string) {
    super(message);
    this.name = "CniFailure";
    this.code = code;
    this.details = details;
  }

  /** @param cniVersion the version that the runtime asked in */
  toBody(cniVersion: string): CniErrorBody {
    return {
      cniVersion,
      code: this.code,
      msg: this.message,
      ...(this.details === undefined ? {} : { details: this.details }),
    };
  }
}
