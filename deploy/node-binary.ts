import { existsSync } from "node:fs";
import { join } from "node:path";

/** The top of the repository. */
export const root = join(import.meta.dirname, "..");

/**
 * The Node 24 executable that goes into what is built: the one that `npm ci` brought for this machine's architecture,
 * else the one that runs this.
 * @throws Error when neither is Node 24 or newer
 */
export function nodeBinary(): string {
  const installed = join(root, "node_modules", `node-linux-${process.arch}`, "bin", "node");
  if (existsSync(installed)) return installed;
  if (Number(process.versions.node.split(".")[0]) >= 24) return process.execPath;
  throw new Error(`building needs Node 24 or newer, this is ${process.version}; run it through npm, after npm ci`);
}
