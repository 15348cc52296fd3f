import { unknownCommand } from "./commands/arguments.ts";
import { program } from "./commands/program.ts";

/** `npm run lab -- …`: see `--help`. */
const lab = program();
const problem = unknownCommand(lab, process.argv.slice(2));
if (problem === undefined) await lab.parseAsync();
else {
  process.stderr.write(`lab: ${problem}\n`);
  process.exitCode = 1;
}
