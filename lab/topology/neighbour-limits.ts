import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { z } from "zod";

/**
 * The kernel has one neighbour table per family for all network namespaces together, by default for 1024 entries
 * (arp(7), `gc_thresh3`): a few dozen pods that all speak to each other fill it, and further neighbours are then dropped
 * in silence. A real machine has a table of its own for each node. So the limits are raised while a lab runs.
 */
const wanted = { gc_thresh1: 4096, gc_thresh2: 16_384, gc_thresh3: 32_768 } as const;
const files = (["ipv4", "ipv6"] as const).flatMap((family) =>
  (Object.keys(wanted) as (keyof typeof wanted)[])
    .map((name) => ({ path: `/proc/sys/net/${family}/neigh/default/${name}`, value: wanted[name] }))
    // The upper limit first, since it has to be above the others at all times.
    .reverse(),
);

const record = "neighbour-limits.json";

function read(path: string): number {
  return Number(readFileSync(path, "utf8"));
}

/**
 * Raises the limits that are lower, and notes the former ones in the state folder.
 * @throws Error with code EROFS or EACCES where the kernel's settings can't be changed
 */
export function raiseNeighbourLimits(folder: string): void {
  const lower = files.filter(({ path, value }) => read(path) < value);
  if (lower.length === 0) return;
  if (!existsSync(join(folder, record)))
    writeFileSync(join(folder, record), JSON.stringify(lower.map(({ path }) => ({ path, value: read(path) }))));
  for (const { path, value } of lower) writeFileSync(path, String(value));
}

/** Puts back what `raiseNeighbourLimits` found; leaves that to another lab where one still runs. */
export function restoreNeighbourLimits(folder: string): void {
  const note = join(folder, record);
  if (!existsSync(note)) return;
  const parent = dirname(folder);
  const other = readdirSync(parent).find(
    (name) => name !== basename(folder) && existsSync(join(parent, name, "config.json")),
  );
  if (other !== undefined) {
    renameSync(note, join(parent, other, record));
    return;
  }
  const before = z.array(z.object({ path: z.string(), value: z.int() })).parse(JSON.parse(readFileSync(note, "utf8")));
  const known = new Set(files.map(({ path }) => path));
  for (const { path, value } of before.reverse()) if (known.has(path)) writeFileSync(path, String(value));
  rmSync(note);
}
