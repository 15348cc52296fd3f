import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { environmentName, loadConfig, parseArguments } from "./config.ts";
import type { ConfigError } from "./config-error.ts";

const databases = { nb: "unix:/nb.sock", sb: "tcp:127.0.0.1:6642,tcp:[::1]:6642" };

async function refused(flags: Record<string, unknown>, environment: Record<string, string> = {}): Promise<ConfigError> {
  return loadConfig(flags, environment).then(
    () => Promise.reject(new Error("it was taken")),
    (error: ConfigError) => error,
  );
}

describe("the configuration", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp("/tmp/ovenbird-config-");
  });
  afterEach(() => rm(folder, { recursive: true }));

  it("needs only the databases", async () => {
    const config = await loadConfig(databases, {});
    expect(config).toMatchObject({
      northbound: ["unix:/nb.sock"],
      southbound: ["tcp:127.0.0.1:6642", "tcp:[::1]:6642"],
      bindAddress: "127.0.0.1:9440",
      lease: { namespace: "kube-system", name: "ovenbird-controller" },
      network: { mtuBytes: 1400 },
    });
  });

  it("takes flags before variables, and variables before the file", async () => {
    const file = join(folder, "config.yaml");
    await writeFile(file, "nb: tcp:1.1.1.1:1\nsb: tcp:1.1.1.1:2\nmtu: 1300\nidentity: file\nlogLevel: debug\n");
    const config = await loadConfig(
      { config: file, identity: "flag" },
      { OVENBIRD_IDENTITY: "env", OVENBIRD_MTU: "1350" },
    );
    expect(config).toMatchObject({
      northbound: ["tcp:1.1.1.1:1"],
      identity: "flag",
      logLevel: "debug",
      network: { mtuBytes: 1350 },
    });
  });

  it("names every problem at once, with its code", async () => {
    const { code, message } = await refused({ nb: "nowhere", clusterCidr: "10.0.0.0/33,10.0.0.1/8", logLevel: "loud" });
    expect(code).toBe("CONFIG_INVALID");
    for (const part of ["nb", "sb", "logLevel", "clusterCidr", "INVALID_CIDR", "HOST_BITS_SET"]) {
      expect(message).toContain(part);
    }
  });

  it("refuses networks that overlap", async () => {
    const { message } = await refused({ ...databases, clusterCidr: "100.64.0.0/15" });
    expect(message).toContain("OVERLAPPING_CIDRS");
  });

  it("refuses an option that the file misspells", async () => {
    const file = join(folder, "config.json");
    await writeFile(file, JSON.stringify({ ...databases, clusterCIDR: "10.0.0.0/8" }));
    expect((await refused({ config: file })).message).toContain("clusterCIDR");
  });

  it("says when a file can't be read", async () => {
    expect((await refused({ config: join(folder, "none.yaml") })).code).toBe("CONFIG_UNREADABLE");
    const tls = { ca: join(folder, "ca"), cert: "c", key: "k" };
    expect((await refused({ ...databases, nb: "ssl:127.0.0.1:6641", ...tls })).code).toBe("CONFIG_UNREADABLE");
    expect((await refused({ ...databases, nb: "ssl:127.0.0.1:6641" })).message).toContain("ca, cert and key");
  });

  it("answers --help, and refuses what it doesn't know", () => {
    const help = parseArguments(["--help"], "1.2.3");
    expect(help.kind === "answer" && help.text).toContain("--cluster-cidr");
    expect(() => parseArguments(["--nonsense"], "1.2.3")).toThrow(/unknown option/);
    expect(parseArguments(["--node-prefix", "24"], "1.2.3")).toEqual({ kind: "options", flags: { nodePrefix: "24" } });
    expect(environmentName("clusterCidr")).toBe("OVENBIRD_CLUSTER_CIDR");
  });
});
