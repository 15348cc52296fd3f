import { parseArgs } from "node:util";
import { tearDown } from "./teardown.ts";

/**
 * Outlives the supervisor: when the pipe from it ends, however it ended, takes away all that the lab made.
 * Its own end is noticed by the supervisor, which starts another.
 */
const { values } = parseArgs({ options: { name: { type: "string" }, folder: { type: "string" } } });
const { name, folder } = values;
if (name === undefined || folder === undefined) throw new Error("--name and --folder are needed");

for (const signal of ["SIGINT", "SIGHUP", "SIGTERM"] as const) process.on(signal, () => undefined);
process.stdin.resume();
process.stdin.once("end", () => void tearDown({ name, folder, spare: [process.pid] }).then(() => process.exit(0)));
