/** The folder in which the user typed the command: `npm run` enters the package's own and keeps the former in INIT_CWD. */
export function userFolder(): string {
  const { npm_lifecycle_event: script, INIT_CWD: from } = process.env;
  return script === "ovenbird" && from !== undefined ? from : process.cwd();
}
