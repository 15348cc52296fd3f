import { execFile } from "node:child_process";
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { root } from "./node-binary.ts";

const run = promisify(execFile);

/**
 * The OVSDB client as a package to publish: JavaScript and declarations, for Node strips no types below `node_modules`.
 * @returns the folder: `npm publish` it, or install from it
 */
export async function buildClientPackage(folder = join(root, "dist", "ovsdb-client-ts")): Promise<string> {
  const room = join(root, "ovsdb-client-ts");
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  const project = join(import.meta.dirname, "client-package.tsconfig.json");
  await run(process.execPath, [compiler, "-p", project, "--outDir", folder]);
  const manifest = JSON.parse(await readFile(join(room, "package.json"), "utf8")) as object;
  const exports = { ".": { types: "./index.d.ts", default: "./index.js" } };
  await writeFile(join(folder, "package.json"), `${JSON.stringify({ ...manifest, exports }, undefined, 2)}\n`);
  await copyFile(join(room, "README.md"), join(folder, "README.md"));
  await copyFile(join(root, "LICENSE"), join(folder, "LICENSE"));
  return folder;
}
