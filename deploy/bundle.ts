import { chmod, copyFile, cp, mkdir, mkdtemp, readdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { build } from "esbuild";
import { lazyBuiltins } from "./lazy-builtins.ts";
import { nodeBinary, root } from "./node-binary.ts";
import { buildPlugin } from "./plugin.ts";

/**
 * A folder that runs on a host with neither this repository nor npm nor Node:
 *
 *     dist/<name>/ovenbird-<name>    launcher, start this; of the command line dist/cli/ovenbird
 *     dist/<name>/<name>.mjs         our code and its packages, with what is loaded on demand in chunks/
 *     dist/<name>/node               the runtime
 *     dist/<name>/node_modules/      packages with native parts (koffi)
 *     dist/agent/cni/ovenbird        the CNI plugin, which the agent installs into --cni-bin-dir
 */
export interface BundleRecipe {
  readonly name: "agent" | "controller" | "cli";
  /** File names of what starts it; all are the same. */
  readonly launchers: readonly [string, ...string[]];
  /** The program's entry, from the top of the repository. */
  readonly entry: string;
  /** Packages that can't be bundled since they load a native library. */
  readonly native: readonly string[];
  readonly withPlugin: boolean;
  /** Flags for the runtime. */
  readonly nodeFlags: readonly string[];
  /** Variables of the C library's allocator (mallopt(3)). */
  readonly environment: Readonly<Record<string, string>>;
}

/** Each of the runtime's threads would keep a heap of its own, for nothing. */
const oneHeap = { MALLOC_ARENA_MAX: "1" };

export const recipes: readonly BundleRecipe[] = [
  {
    name: "agent",
    launchers: ["ovenbird-agent"],
    entry: "node/main.ts",
    native: ["koffi"],
    withPlugin: true,
    // One agent runs on every node, waits for events most of the time, and does little work for each: memory matters.
    nodeFlags: [
      // A small young generation, and an old one that is collected each time it has grown by a tenth.
      "--max-semi-space-size=1",
      "--heap-growing-percent=10",
      "--optimize-for-size",
      // The optimizing compilers alone are 8 MB of code to page in, and what the others make is kept. Calls of the plugin
      // take as long without them (docs/performance.md).
      "--no-opt",
      "--no-maglev",
      "--no-sparkplug",
    ],
    // What is freed goes back to the kernel, also after a burst.
    environment: { ...oneHeap, MALLOC_TRIM_THRESHOLD_: "65536", MALLOC_MMAP_THRESHOLD_: "65536" },
  },
  {
    name: "controller",
    launchers: ["ovenbird-controller"],
    entry: "controller/main.ts",
    native: [],
    withPlugin: false,
    nodeFlags: [],
    environment: oneHeap,
  },
  {
    name: "cli",
    // By the second name, in a folder of the PATH, it is `kubectl ovenbird`.
    launchers: ["ovenbird", "kubectl-ovenbird"],
    entry: "cli/main.ts",
    native: [],
    withPlugin: false,
    nodeFlags: [],
    environment: {},
  },
];

/** What runs as long as a node or a cluster does. */
export const daemons = recipes.filter(({ name }) => name !== "cli");

/** What is loaded on demand only, and takes nearly all of the time to bundle; a linked bundle finds it in the repository. */
const onDemand = ["@kubernetes/client-node"];

/** CommonJS packages inside an ES module bundle ask for `require`. */
const requireBanner =
  "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);";

/**
 * Builds one program's folder anew and puts it in place in one step.
 * @param folder below which `<name>/` is made, `dist` by default
 * @param kind `linked` takes the runtime, the native packages and the plugin from this repository by links: made in no
 *   time, for this machine only
 * @returns the launcher's absolute path
 */
export async function buildBundle(
  recipe: BundleRecipe,
  folder = join(root, "dist"),
  kind: "complete" | "linked" = "complete",
): Promise<string> {
  const { name, launchers, entry, native, nodeFlags, environment } = recipe;
  await mkdir(folder, { recursive: true });
  const scratch = await mkdtemp(join(folder, `.${name}-`));
  try {
    await build({
      entryPoints: { [name]: join(root, entry) },
      outdir: scratch,
      outExtension: { ".js": ".mjs" },
      // What is imported on demand only (the Kubernetes client's credential plugins: five megabytes) stays out of the
      // way, and out of memory.
      splitting: true,
      chunkNames: "chunks/[name]-[hash]",
      bundle: true,
      platform: "node",
      target: "node24",
      format: "esm",
      minifySyntax: true,
      minifyWhitespace: true,
      sourcemap: false,
      legalComments: "linked",
      external: kind === "complete" ? [...native] : [...native, ...onDemand],
      plugins: [lazyBuiltins],
      banner: { js: requireBanner },
      logLevel: "error",
    });
    await (kind === "complete" ? copyRest(recipe, folder, scratch) : linkRest(recipe, scratch));
    const script = launcherScript(name, nodeFlags, environment);
    for (const launcher of launchers) await writeFile(join(scratch, launcher), script, { mode: 0o755 });
    await chmod(scratch, 0o755);
    const target = join(folder, name);
    await rm(target, { recursive: true, force: true });
    await rename(scratch, target);
    return join(target, launchers[0]);
  } catch (error) {
    await rm(scratch, { recursive: true, force: true });
    throw error;
  }
}

async function copyRest({ native, withPlugin }: BundleRecipe, folder: string, target: string): Promise<void> {
  await copyFile(nodeBinary(), join(target, "node"));
  await chmod(join(target, "node"), 0o755);
  for (const packageName of native) await copyNative(packageName, join(target, "node_modules"));
  if (withPlugin) {
    await mkdir(join(target, "cni"));
    await copyFile(await buildPlugin(join(folder, "cni")), join(target, "cni", "ovenbird"));
  }
}

async function linkRest({ withPlugin }: BundleRecipe, target: string): Promise<void> {
  await symlink(nodeBinary(), join(target, "node"));
  await symlink(join(root, "node_modules"), join(target, "node_modules"));
  if (withPlugin) await symlink(dirname(await buildPlugin()), join(target, "cni"));
}

/** Uses nothing but the shell's own commands: it must run with an empty PATH. */
function launcherScript(
  name: string,
  nodeFlags: readonly string[],
  environment: Readonly<Record<string, string>>,
): string {
  const variables = Object.entries(environment).map(([variable, value]) => `${variable}=${value} `);
  const flags = nodeFlags.map((flag) => ` ${flag}`);
  return `#!/bin/sh
# Starts Ovenbird's ${name} with the runtime that lies beside it.
here=$(CDPATH= cd -- "\${0%/*}" && pwd -P) || exit 1
${variables.join("")}exec "$here/node"${flags.join("")} "$here/${name}.mjs" "$@"
`;
}

/** What a native package needs at run time: its code and its prebuilt library for this architecture, no sources. */
async function copyNative(packageName: string, modules: string): Promise<void> {
  const from = join(root, "node_modules", packageName);
  await cp(from, join(modules, packageName), {
    recursive: true,
    filter: (path) => !/\/(doc|vendor|lib)$/.test(path) && !/\.(cc|hh|md|d\.ts)$/.test(path),
  });
  // koffi's prebuilt libraries come as packages of their own, one per platform.
  const scope = join(root, "node_modules", "@koromix");
  for (const prebuilt of await readdir(scope)) {
    if (prebuilt.startsWith(`${packageName}-`)) {
      await cp(join(scope, prebuilt), join(modules, "@koromix", prebuilt), { recursive: true });
    }
  }
}
