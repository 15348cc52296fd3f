import { rm, symlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { run } from "../topology/run.ts";

const builder = join(import.meta.dirname, "..", "..", "deploy", "build.ts");

/**
 * Puts the CNI plugin's real executable, built when it is not there yet, into the nodes' `cni-bin-dir`s.
 * Links, since the executable brings its own runtime and weighs 100 MB; built by a process of its own, since that takes
 * most of a gigabyte of memory for a moment.
 */
export async function installPlugin(folders: readonly string[]): Promise<void> {
  const output = await run([process.execPath, builder, "plugin"], { timeoutMs: 120_000 });
  const executable = output.trim().split("\n").at(-1) ?? "";
  for (const folder of folders) {
    const link = join(folder, basename(executable));
    await rm(link, { force: true });
    await symlink(executable, link);
  }
}
