import { rm, symlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { buildPlugin } from "../../deploy/build.ts";

/**
 * Puts the CNI plugin's real executable, built when it is not there yet, into the nodes' `cni-bin-dir`s.
 * Links, since the executable brings its own runtime and weighs 100 MB.
 */
export async function installPlugin(folders: readonly string[]): Promise<void> {
  const executable = await buildPlugin();
  for (const folder of folders) {
    const link = join(folder, basename(executable));
    await rm(link, { force: true });
    await symlink(executable, link);
  }
}
