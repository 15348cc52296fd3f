import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { readSandboxes, type Sandbox, saveSandbox } from "./sandbox-store.ts";

it("reads the sandboxes that are there, and not one that is forgotten meanwhile", () => {
  const folder = mkdtempSync(join(tmpdir(), "sandboxes-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const pod = { namespace: "default", name: "wren", uid: "1" };
  const sandbox: Sandbox = { containerId: "a", namespace: "wren", pod, state: "ready" };
  saveSandbox(folder, sandbox);
  symlinkSync(join(folder, "nowhere"), join(folder, "b.json"));
  expect(readSandboxes(folder)).toEqual([sandbox]);
});
