import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, copyFile, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { nodeBinary, root } from "./node-binary.ts";

/**
 * The CNI plugin as one executable that needs nothing on the host: Node's own single executable application (SEA), the
 * runtime with the bundled plugin and its compiled code inside. 28 ms from exec to exit on a 2-core machine, most of it
 * the runtime's own start; a bun executable takes 10 ms, at the price of a second runtime to ship and to trust.
 */

/** Postject finds its place in the binary by this (Node.js documentation, "Single executable applications"). */
const fuse = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";

interface Postject {
  inject(file: string, resource: string, data: Buffer, options: { readonly sentinelFuse: string }): Promise<void>;
}

/** Raise it when the way of building changes: what was built before is then built anew. */
const recipe = 1;

async function bundlePlugin(): Promise<string> {
  const result = await build({
    entryPoints: [join(root, "cni", "main.ts")],
    bundle: true,
    write: false,
    platform: "node",
    target: "node24",
    format: "cjs",
    minify: true,
    legalComments: "none",
  });
  const [output] = result.outputFiles;
  if (!output) throw new Error("esbuild gave no output for the plugin");
  return output.text;
}

/**
 * Builds the plugin's executable, unless one of the same content is there: a second call takes some milliseconds.
 * Safe to call from several processes at once.
 * @param folder where to put it, `dist/cni` by default
 * @returns its absolute path, `<folder>/ovenbird`
 */
export async function buildPlugin(folder = join(root, "dist", "cni")): Promise<string> {
  const executable = join(folder, "ovenbird");
  const stamp = join(folder, "ovenbird.sha256");
  const node = nodeBinary();
  const [source, runtime] = await Promise.all([bundlePlugin(), stat(node)]);
  const hash = createHash("sha256")
    .update(JSON.stringify({ recipe, source, version: process.version, arch: process.arch, size: runtime.size }))
    .digest("hex");
  if ((await readIfThere(stamp)) === hash && (await isFile(executable))) return executable;

  await mkdir(folder, { recursive: true });
  const scratch = await mkdtemp(join(folder, ".build-"));
  try {
    const made = await buildExecutable(scratch, source, node);
    await rename(made, executable);
    await writeFile(join(scratch, "stamp"), hash);
    await rename(join(scratch, "stamp"), stamp);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return executable;
}

async function buildExecutable(scratch: string, source: string, node: string): Promise<string> {
  const main = join(scratch, "plugin.cjs");
  const blob = join(scratch, "plugin.blob");
  const config = join(scratch, "sea-config.json");
  const executable = join(scratch, "ovenbird");
  await writeFile(main, source);
  await writeFile(
    config,
    JSON.stringify({
      main,
      output: blob,
      disableExperimentalSEAWarning: true,
      useCodeCache: true,
      // NODE_OPTIONS of whoever calls the plugin are not for it.
      execArgvExtension: "none",
    }),
  );
  await promisify(execFile)(node, ["--experimental-sea-config", config]);
  await copyFile(node, executable);
  await chmod(executable, 0o755);
  // Postject comes without types.
  const { inject } = createRequire(import.meta.url)("postject") as Postject;
  await inject(executable, "NODE_SEA_BLOB", await readFile(blob), { sentinelFuse: fuse });
  return executable;
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}

async function readIfThere(path: string): Promise<string | undefined> {
  return readFile(path, "utf8").catch(() => undefined);
}
