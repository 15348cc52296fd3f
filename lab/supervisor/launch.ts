import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer, Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type LabConfig, labConfig, paths } from "../topology/layout.ts";
import { labMarkVariable } from "./daemon.ts";
import { socketAnswers } from "./readiness.ts";
import { labMark } from "./teardown.ts";

/** As much of its last words as a message needs. */
const longestComplaint = 4000;

/** Our hold on a supervisor that we started: the lab lives as long as we do, unless it is let go. */
export interface Lifeline {
  /** Lets the lab live on without us. */
  detach(): void;
  /** What the supervisor said last on its standard error. */
  complaint(): string;
  /** Lets go of it so that it tears itself down; resolves when nothing of it is left. */
  abandon(): Promise<void>;
}

export function supervisorRuns(folder: string): Promise<boolean> {
  return socketAnswers(paths(folder).supervisorSocket);
}

/** The configuration of the lab in `folder`. @throws Error with code ENOENT when there is none */
export function readConfig(folder: string): LabConfig {
  return labConfig.parse(JSON.parse(readFileSync(paths(folder).config, "utf8")));
}

/**
 * Starts the supervisor of a lab that has none.
 * @throws Error when it ends before it takes requests, with what it said
 */
export async function launchSupervisor(folder: string, config: LabConfig): Promise<Lifeline> {
  await mkdir(paths(folder).logs, { recursive: true, mode: 0o700 });
  await writeFile(paths(folder).config, `${JSON.stringify(config, undefined, 2)}\n`);
  const child = spawn(process.execPath, [join(import.meta.dirname, "main.ts"), "--folder", folder], {
    cwd: "/",
    // A session of its own: Ctrl-C is for us to hear, and to pass on.
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, [labMarkVariable]: labMark(folder) },
  });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said = `${said}${chunk}`.slice(-longestComplaint);
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  // A supervisor that is gone hears nothing more; its end is told by `exit`.
  child.stdin.on("error", () => undefined);
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout }).once("line", () => resolve());
    child.once("error", reject);
    child.once("close", () => reject(new Error(`the supervisor ended: ${said.trim()}`)));
  });
  // Nothing of this keeps the caller's process alive: when it ends, the lab does.
  child.unref();
  for (const stream of child.stdio) if (stream instanceof Socket) stream.unref();
  return {
    complaint: () => said.trim(),
    detach() {
      child.stdin.end("detach\n");
      child.stdout.destroy();
      child.stderr.destroy();
    },
    async abandon() {
      child.ref();
      child.stdin.destroy();
      await ended;
    },
  };
}

/** A port of 127.0.0.1 that is free now, for the user's kubeconfig. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
