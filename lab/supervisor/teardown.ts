import { existsSync, readdirSync, readFileSync } from "node:fs";
import { readdir, rm, rmdir } from "node:fs/promises";
import { dirname } from "node:path";
import { claimant, disclaim } from "../topology/claim.ts";
import { restoreNeighbourLimits } from "../topology/neighbour-limits.ts";
import { existingNamespaces } from "../topology/network.ts";
import { run } from "../topology/run.ts";
import { labMarkVariable } from "./daemon.ts";

/** The value of `OVENBIRD_LAB` in every process of the lab that lives in `folder`. */
export function labMark(folder: string): string {
  return folder;
}

const killTimeoutMs = 10_000;

/**
 * Takes away all that a lab made, in whatever state it is: processes (told by the mark in their environment), the
 * network namespaces and with them every link, and the state folder. Bears repetition.
 * @param spare process ids to leave alone, such as the caller's own
 * @returns whether there was anything
 */
export async function tearDown(options: {
  readonly name: string;
  readonly folder: string;
  readonly spare: readonly number[];
}): Promise<boolean> {
  const killed = await killMarked(labMark(options.folder), new Set(options.spare));
  // Of the same name under another state folder they are another lab's; unclaimed ones are nobody else's.
  const owner = claimant(options.name) ?? options.folder;
  const namespaces = owner === options.folder ? existingNamespaces(options.name) : [];
  if (namespaces.length > 0)
    await run(["ip", "-force", "-batch", "-"], {
      input: `${namespaces.map((name) => `netns delete ${name}`).join("\n")}\n`,
    });
  const existed = existsSync(options.folder);
  restoreNeighbourLimits(options.folder);
  // What makes the foundations may still be writing into it.
  await rm(options.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 10 });
  await removeIfEmpty(dirname(options.folder));
  disclaim(options.name, options.folder);
  return killed || existed || namespaces.length > 0;
}

/**
 * The state folder of another lab that has the name, or what is left of it: namespaces or processes.
 * @returns undefined when the name is free for the lab in `folder`
 */
export function otherLabOf(name: string, folder: string): string | undefined {
  const owner = claimant(name);
  if (owner === undefined || owner === folder) return undefined;
  return existingNamespaces(name).length > 0 || markedProcesses(labMark(owner)).length > 0 ? owner : undefined;
}

/** Why a lab can't have its name, and what to do. */
export function nameTaken(name: string, owner: string): string {
  return `a lab named ${name} lives in ${owner}, and network namespaces have one name on a machine: choose another --name, or take that one down first (OVENBIRD_LAB_STATE_DIR=${dirname(owner)})`;
}

async function removeIfEmpty(folder: string): Promise<void> {
  const entries = await readdir(folder).catch(() => undefined);
  if (entries?.length === 0) await rmdir(folder);
}

/** Kills until none is left: a process may have been forking while its siblings died. */
async function killMarked(mark: string, spare: ReadonlySet<number>): Promise<boolean> {
  let found = false;
  const deadline = performance.now() + killTimeoutMs;
  for (;;) {
    const pids = markedProcesses(mark).filter((pid) => !spare.has(pid));
    if (pids.length === 0) return found;
    found = true;
    if (performance.now() > deadline) throw new Error(`processes ${pids.join(", ")} do not end`);
    for (const pid of pids) kill(pid);
    // They are not our children, so no event tells of their end.
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

/** Living processes whose environment carries the lab's mark. */
export function markedProcesses(mark: string): number[] {
  const wanted = `${labMarkVariable}=${mark}`;
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => environmentOf(pid).split("\0").includes(wanted))
    .map(Number);
}

/** Empty for zombies, kernel threads and processes that ended meanwhile. */
function environmentOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8");
  } catch {
    return "";
  }
}
