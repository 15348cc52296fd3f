/** What the laboratory and tests may take from the command line. */
export { type CliErrorCode, cliErrorCodes, exitCodes } from "./cli-error.ts";
export { type Outlet, program } from "./program.ts";
