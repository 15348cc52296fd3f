import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { installPlugin, writeConflist } from "./conflist.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync("/tmp/ovenbird-conflist-");
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("the network configuration", () => {
  it("is written once, and leaves nothing beside it", async () => {
    const net = join(folder, "net.d");
    expect(await writeConflist(net, "/run/cni.sock")).toBe(true);
    expect(await writeConflist(net, "/run/cni.sock")).toBe(false);
    expect(await writeConflist(net, "/run/other.sock")).toBe(true);
    expect(readdirSync(net)).toEqual(["10-ovenbird.conflist"]);
    expect(JSON.parse(readFileSync(join(net, "10-ovenbird.conflist"), "utf8"))).toEqual({
      cniVersion: "1.0.0",
      cniVersions: ["0.3.1", "0.4.0", "1.0.0", "1.1.0"],
      name: "ovenbird",
      plugins: [{ type: "ovenbird", socket: "/run/other.sock" }],
    });
  });
});

describe("the plugin's executable", () => {
  it("is installed whole under its name, and again only when it is another one", async () => {
    const source = join(folder, "built");
    const bin = join(folder, "bin");
    writeFileSync(source, "first");
    expect(await installPlugin(source, bin)).toBe(true);
    expect(await installPlugin(source, bin)).toBe(false);
    expect(statSync(join(bin, "ovenbird")).mode & 0o777).toBe(0o755);
    writeFileSync(source, "second one");
    expect(await installPlugin(source, bin)).toBe(true);
    expect(readFileSync(join(bin, "ovenbird"), "utf8")).toBe("second one");
    expect(readdirSync(bin)).toEqual(["ovenbird"]);
  });

  it("is missed in words", async () => {
    await expect(installPlugin(join(folder, "none"), folder)).rejects.toThrow("ENOENT");
  });
});
