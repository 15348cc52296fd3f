import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { add, CniFailure, check, collectGarbage, del, loadNetworkList, type NetworkList } from "./cni-runtime.ts";

let folder: string;
let folders: { conf: string; bin: string };

/** Executables that write down how they were called. */
function plugin(name: string, answer: string, exitStatus = 0): void {
  const path = join(folders.bin, name);
  writeFileSync(
    path,
    `#!/bin/sh
{ env | grep ^CNI_ | sort; cat; echo; } >>${folder}/${name}.calls
printf '%s' '${answer}'
exit ${exitStatus}
`,
  );
  chmodSync(path, 0o755);
}
const callsOf = (name: string) => readFileSync(join(folder, `${name}.calls`), "utf8");

function listOf(document: object): NetworkList {
  writeFileSync(join(folders.conf, "10-test.conflist"), JSON.stringify(document));
  const list = loadNetworkList(folders.conf);
  if (list === undefined) throw new Error("no list");
  return list;
}

const attachment = {
  containerId: "c0ffee",
  netns: "/run/netns/x",
  ifname: "eth0",
  pod: { namespace: "default", name: "wren", uid: "1-2-3" },
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cni-runtime-"));
  folders = { conf: join(folder, "conf"), bin: join(folder, "bin") };
  mkdirSync(folders.conf);
  mkdirSync(folders.bin);
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("the runtime's side of CNI", () => {
  it("calls a plugin with containerd's environment and the injected name and version", async () => {
    plugin("bird", '{"cniVersion":"1.0.0","ips":[]}');
    const list = listOf({ cniVersion: "1.0.0", name: "net", plugins: [{ type: "bird", extra: 1 }] });
    expect(await add(folders, list, attachment)).toEqual({ cniVersion: "1.0.0", ips: [] });
    const calls = callsOf("bird");
    expect(calls).toContain(
      "CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=wren;K8S_POD_INFRA_CONTAINER_ID=c0ffee;K8S_POD_UID=1-2-3",
    );
    for (const line of ["CNI_COMMAND=ADD", "CNI_CONTAINERID=c0ffee", "CNI_IFNAME=eth0", "CNI_NETNS=/run/netns/x"])
      expect(calls).toContain(line);
    expect(calls).toContain('{"type":"bird","extra":1,"name":"net","cniVersion":"1.0.0"}');
  });

  it("chains plugins by prevResult, and takes them down in reverse with what ADD answered", async () => {
    plugin("first", '{"step":1}');
    plugin("second", '{"step":2}');
    const list = listOf({ cniVersion: "1.0.0", name: "net", plugins: [{ type: "first" }, { type: "second" }] });
    const result = await add(folders, list, attachment);
    expect(result).toEqual({ step: 2 });
    expect(callsOf("second")).toContain('"prevResult":{"step":1}');
    await del(folders, list, attachment, result);
    expect(callsOf("first")).toContain('"prevResult":{"step":2}');
  });

  it("tells a plugin's error by its code and words", async () => {
    plugin("bird", '{"cniVersion":"1.0.0","code":7,"msg":"invalid configuration","details":"no socket"}', 1);
    const list = listOf({ cniVersion: "1.0.0", name: "net", plugins: [{ type: "bird" }] });
    const failure = await add(folders, list, attachment).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(CniFailure);
    expect(failure).toMatchObject({ code: 7, message: "plugin bird failed (add): invalid configuration; no socket" });
  });

  it("takes the newest version that it and the configuration know", () => {
    const plugins = [{ type: "bird" }];
    expect(
      listOf({ cniVersion: "1.0.0", cniVersions: ["0.4.0", "1.1.0", "9.0.0"], name: "n", plugins }).cniVersion,
    ).toBe("1.1.0");
    expect(listOf({ cniVersion: "0.3.1", name: "n", plugins }).cniVersion).toBe("0.3.1");
  });

  it("calls CHECK and GC only where the version has them", async () => {
    plugin("bird", "");
    const plugins = [{ type: "bird" }];
    const old = listOf({ cniVersion: "0.3.1", name: "n", plugins });
    await check(folders, old, attachment, {});
    await collectGarbage(folders, old, []);
    expect(() => callsOf("bird")).toThrow("ENOENT");
    const current = listOf({ cniVersion: "1.1.0", name: "n", plugins });
    await check(folders, current, attachment, {});
    await collectGarbage(folders, current, [attachment]);
    expect(callsOf("bird")).toContain('"cni.dev/valid-attachments":[{"containerID":"c0ffee","ifname":"eth0"}]');
  });

  it("finds no network where there is no configuration", () => {
    expect(loadNetworkList(folders.conf)).toBeUndefined();
  });
});
