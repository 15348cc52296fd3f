import { randomUUID } from "node:crypto";
import { chmod, copyFile, mkdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";

/** The plugin's name in the network configuration, and so the executable's in the plugins' folder. */
export const pluginName = "ovenbird";
export const conflistName = "10-ovenbird.conflist";

/**
 * The network configuration list that the container runtime reads (CNI specification, section 1). `cniVersion` is one
 * that every runtime in use understands; newer ones pick the highest of `cniVersions`, and so get STATUS and GC.
 */
export function conflist(socketPath: string): string {
  const list = {
    cniVersion: "1.0.0",
    cniVersions: ["0.3.1", "0.4.0", "1.0.0", "1.1.0"],
    name: pluginName,
    plugins: [{ type: pluginName, socket: socketPath }],
  };
  return `${JSON.stringify(list, undefined, 2)}\n`;
}

/**
 * Puts the configuration in place, whole or not at all. It tells the runtime that the node's network is ready.
 *
 * It stays when the agent stops: running pods go on, and new ones wait with a clear answer (code 11 from ADD, 50 from
 * STATUS) until the agent is back. Taking it away would turn the node NotReady at each restart of the agent, and a
 * runtime that finds no configuration can't tear pods down either.
 * @returns false when the same stood there already
 */
export async function writeConflist(folder: string, socketPath: string): Promise<boolean> {
  const path = join(folder, conflistName);
  const text = conflist(socketPath);
  if ((await readFile(path, "utf8").catch(() => undefined)) === text) return false;
  await mkdir(folder, { recursive: true });
  await replaceFile(path, (scratch) => writeFile(scratch, text, { mode: 0o644 }));
  return true;
}

/**
 * Copies the plugin's executable into the runtime's folder under its name, unless the same stands there. A call that
 * runs meanwhile keeps the old file.
 * @throws Error when there is no executable to copy
 */
export async function installPlugin(executable: string, folder: string): Promise<boolean> {
  const path = join(folder, pluginName);
  const [from, to] = await Promise.all([stat(executable), stat(path).catch(() => undefined)]);
  // Copies keep their time, so that a hundred megabytes need not be read to see that they are the same.
  if (to && to.size === from.size && Math.abs(to.mtimeMs - from.mtimeMs) < 2) return false;
  await mkdir(folder, { recursive: true });
  await replaceFile(path, async (scratch) => {
    await copyFile(executable, scratch);
    await chmod(scratch, 0o755);
    await utimes(scratch, from.atimeMs / 1000, from.mtimeMs / 1000);
  });
  return true;
}

/** Makes a file beside its place and renames it; the dot keeps a runtime from reading the unfinished one. */
async function replaceFile(path: string, make: (scratch: string) => Promise<void>): Promise<void> {
  const scratch = join(path, "..", `.${basename(path)}.${randomUUID()}`);
  try {
    await make(scratch);
    await rename(scratch, path);
  } catch (error) {
    await rm(scratch, { force: true });
    throw error;
  }
}
