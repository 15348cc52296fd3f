import { execFile, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildBundle, buildPlugin, recipes } from "../../deploy/build.ts";

const folder = mkdtempSync("/tmp/ovenbird-build-");
const empty = mkdtempSync("/tmp/ovenbird-empty-");
let plugin: string;

beforeAll(async () => {
  plugin = await buildPlugin(join(folder, "cni"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
  rmSync(empty, { recursive: true });
});

/** Runs a program where there is nothing: an empty folder, an empty PATH and no other variable. */
function runBare(path: string, variables: Readonly<Record<string, string>>, args: readonly string[] = [], input = "") {
  const { status, stdout } = spawnSync(path, args, {
    cwd: empty,
    env: { PATH: "", ...variables },
    input,
    encoding: "utf8",
  });
  return { status, stdout };
}

describe("the built CNI plugin", () => {
  it("answers VERSION on a host that has nothing else", () => {
    const { status, stdout } = runBare(plugin, { CNI_COMMAND: "VERSION" });
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      cniVersion: "1.1.0",
      supportedVersions: ["0.3.1", "0.4.0", "1.0.0", "1.1.0"],
    });
  });

  it("puts its errors on stdout and exits with another status than 0", () => {
    const { status, stdout } = runBare(plugin, { CNI_COMMAND: "ADD" }, [], "garbage");
    expect(status).not.toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ code: 6 });
  });

  it("heeds no NODE_OPTIONS of its caller", () => {
    const { status } = runBare(plugin, { CNI_COMMAND: "VERSION", NODE_OPTIONS: "--require=/nonexistent.js" });
    expect(status).toBe(0);
  });

  it("refuses a configuration that is too long", () => {
    const { stdout } = runBare(plugin, { CNI_COMMAND: "ADD" }, [], " ".repeat(5 << 20));
    expect(JSON.parse(stdout)).toMatchObject({ code: 6 });
  });

  it("is not built anew when nothing has changed", async () => {
    const startedAt = performance.now();
    expect(await buildPlugin(join(folder, "cni"))).toBe(plugin);
    expect(performance.now() - startedAt).toBeLessThan(1000);
  });

  it("survives being built by several processes at once", async () => {
    const build = `import { buildPlugin } from ${JSON.stringify(join(import.meta.dirname, "../../deploy/build.ts"))};
      console.info(await buildPlugin(${JSON.stringify(join(folder, "together"))}));`;
    const outputs = await Promise.all(
      [1, 2].map(() => promisify(execFile)(process.execPath, ["--input-type=module-typescript", "-e", build])),
    );
    for (const { stdout } of outputs) {
      expect(runBare(stdout.trim(), { CNI_COMMAND: "VERSION" }).status).toBe(0);
    }
  });
});

describe("the bundles", () => {
  const buildable = recipes.filter(({ entry }) => existsSync(join(import.meta.dirname, "../..", entry)));
  it.each(buildable)("of the $name prints its help on a host that has nothing else", async (recipe) => {
    const launcher = await buildBundle(recipe, folder);
    const { status, stdout } = runBare(launcher, {}, ["--help"]);
    expect(status).toBe(0);
    expect(stdout).toContain(recipe.name === "cli" ? "why" : "--kubeconfig");
  });
});
