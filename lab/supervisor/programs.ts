import { rm, symlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { type Layout, paths } from "../topology/layout.ts";
import { run } from "../topology/run.ts";

const builder = join(import.meta.dirname, "..", "..", "deploy", "build.ts");

/** What starts the agent or the controller as they are shipped: bundled, with the flags and variables of their launchers. */
export function launcher(layout: Layout, program: "agent" | "controller"): string {
  return join(paths(layout.folder).programs, program, `ovenbird-${program}`);
}

/**
 * Bundles the agent and the controller from what the repository has now, and the CNI plugin where it is not there yet; by
 * a process of its own, since that takes most of a gigabyte of memory for a moment.
 * @returns the plugin's executable
 */
export async function buildPrograms(layout: Layout): Promise<string> {
  const { programs } = paths(layout.folder);
  const output = await run([process.execPath, builder, "linked", programs], { timeoutMs: 120_000 });
  return output.trim().split("\n")[0] ?? "";
}

/** Puts the plugin into the nodes' `cni-bin-dir`s: as links, since it brings its own runtime and weighs 100 MB. */
export async function installPlugin(plugin: string, folders: readonly string[]): Promise<void> {
  for (const folder of folders) {
    const link = join(folder, basename(plugin));
    await rm(link, { force: true });
    await symlink(plugin, link);
  }
}
