import { program } from "./commands/program.ts";

/** `npm run lab -- …`: see `--help`. */
await program().parseAsync();
