/** What can go wrong with a port, told apart for the one who asked for it. */
export const bindingErrorCodes = {
  NO_BRIDGE: "The integration bridge does not exist",
  PORT_ERROR: "ovs-vswitchd could not open the port's device",
  PORT_REMOVED: "Somebody removed the port while its flows were waited for",
} as const;

export type BindingErrorCode = keyof typeof bindingErrorCodes;

export class BindingError extends Error {
  readonly code: BindingErrorCode;

  constructor(code: BindingErrorCode, message: string) {
    super(message);
    this.name = "BindingError";
    this.code = code;
  }
}
