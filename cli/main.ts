#!/usr/bin/env node
/** The program `ovenbird`, and `kubectl ovenbird`. */
import { CommanderError } from "commander";
import { exitCodes } from "./cli-error.ts";
import packageJson from "./package.json" with { type: "json" };
import { type Outlet, program } from "./program.ts";

// Whoever reads no more, as `head`, ends it.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit();
});

const outlet: Outlet = {
  out: (text) => void process.stdout.write(text),
  error: (text) => void process.stderr.write(text),
  exit(status) {
    process.exitCode = status;
  },
  untilStopped() {
    const stopping = new AbortController();
    for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stopping.abort());
    return stopping.signal;
  },
};

try {
  await program(outlet, packageJson.version).parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  // Commander has said what is wrong; help and version are no errors.
  process.exitCode = error.exitCode === 0 ? exitCodes.answered : exitCodes.usage;
}
