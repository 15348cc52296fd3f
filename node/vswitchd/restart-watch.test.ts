import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { watchBridgeSocket } from "./restart-watch.ts";

const logger = { debug() {}, info() {}, warn() {} };
let parent: string;
let rundir: string;
let seen: number;
let stop: () => void;

const touch = () => writeFileSync(join(rundir, "br-ex.mgmt"), "");
const start = () => {
  stop = watchBridgeSocket(
    rundir,
    "br-ex",
    () => {
      seen += 1;
    },
    logger,
  );
};

/** Resolves when the listener was called since `action`. */
async function isSeen(action: () => void): Promise<void> {
  const before = seen;
  action();
  await expect.poll(() => seen).toBeGreaterThan(before);
}

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "ovenbird-rundir-"));
  rundir = join(parent, "openvswitch");
  seen = 0;
});
afterEach(() => {
  stop();
  rmSync(parent, { recursive: true, force: true });
});

describe("a restart of vswitchd", () => {
  it("is seen by the bridge's control socket", async () => {
    mkdirSync(rundir);
    start();
    await isSeen(touch);
  });

  it("is seen in a folder that came later, and in one that was made anew", async () => {
    start();
    await isSeen(() => mkdirSync(rundir));
    await isSeen(touch);
    rmSync(rundir, { recursive: true });
    await isSeen(() => mkdirSync(rundir));
    await isSeen(touch);
  });
});
