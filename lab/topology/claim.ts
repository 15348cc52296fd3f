import { mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * The machine's namespaces carry a lab's name, not its state folder: two labs of one name under different folders would
 * be the same namespaces. So a file beside `/run/netns` says whose they are; like them, it is gone after a reboot.
 */
const claims = "/run/ovenbird-lab";

/** The state folder of the lab whose namespaces carry `name`; undefined when nobody has claimed it. */
export function claimant(name: string): string | undefined {
  try {
    return readFileSync(join(claims, name), "utf8").trimEnd();
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Notes that the namespaces of `name` are those of the lab in `folder`. Only who holds the lock on the name may. */
export function claim(name: string, folder: string): void {
  mkdirSync(claims, { recursive: true, mode: 0o755 });
  const file = join(claims, name);
  writeFileSync(`${file}.new`, `${folder}\n`);
  renameSync(`${file}.new`, file);
}

/** Gives the name back, if it is claimed for `folder`. @returns whether it was */
export function disclaim(name: string, folder: string): boolean {
  if (claimant(name) !== folder) return false;
  rmSync(join(claims, name), { force: true });
  try {
    if (readdirSync(claims).length === 0) rmdirSync(claims);
  } catch (error) {
    // Another lab went, or came, at the same moment.
    if (!isMissing(error) && !(error instanceof Error && "code" in error && error.code === "ENOTEMPTY")) throw error;
  }
  return true;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
