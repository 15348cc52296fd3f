import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, openSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { namespacePath } from "../topology/layout.ts";
import { systemPath } from "../topology/run.ts";
import { socketAnswers, type Waiting, waitForPath } from "./readiness.ts";

/** How a daemon shows that it is ready: by a file or a listening unix socket that appears, or by running at all. */
export type Readiness =
  | { readonly kind: "socket"; readonly path: string }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "started" };

export interface DaemonSpec {
  /** Unique in the lab, and a file name: `node1.ovs-vswitchd`. */
  readonly name: string;
  /** The network namespace to run in; undefined for the root namespace. */
  readonly namespace?: string;
  readonly command: readonly [string, ...string[]];
  readonly env?: Readonly<Record<string, string>>;
  readonly ready: Readiness;
  /** Daemons that are ready before this one is started, each time. */
  readonly after: readonly string[];
  /** Daemons whose end ends this one too, so that both start anew together. */
  readonly restartsWith?: readonly string[];
  /** What must be done before each start; has to bear repetition. */
  readonly prepare?: () => Promise<void>;
}

export type DaemonState = "waiting" | "starting" | "ready" | "backoff" | "stopped";

export interface DaemonStatus {
  readonly name: string;
  readonly state: DaemonState;
  readonly pid: number | undefined;
  readonly restarts: number;
  /** Why it is not ready, in words. */
  readonly problem: string | undefined;
}

/** A restart waits 0, 100, 200, … ms, at most this long, and counts from 0 again after `steadyMs` of quiet running. */
const longestBackoffMs = 3000;
const steadyMs = 10_000;
const lastLines = 30;
const readyTimeoutMs = 30_000;

export interface Daemon {
  readonly spec: DaemonSpec;
  status(): DaemonStatus;
  /** Runs it and keeps it running until `stop`. */
  start(): void;
  /** Ends the process at once; it starts anew. */
  kill(): void;
  stop(): void;
}

export interface DaemonContext {
  readonly labMark: string;
  readonly folders: { readonly pids: string; readonly logs: string };
  /** Resolves when all the named daemons are ready. */
  readonly awaitReady: (names: readonly string[], signal: AbortSignal) => Promise<void>;
  readonly changed: (daemon: Daemon) => void;
  readonly exited: (daemon: Daemon, why: string) => void;
}

/** Environment variable by which every process of a lab, and every child of it, can be told from others'. */
export const labMarkVariable = "OVENBIRD_LAB";

/** Keeps one process running: prepared, in its namespace, dying with its parent, its pid in `pids/<name>`. */
export function createDaemon(spec: DaemonSpec, context: DaemonContext): Daemon {
  let state: DaemonState = "waiting";
  let child: ChildProcess | undefined;
  let restarts = 0;
  let failuresInARow = 0;
  let problem: string | undefined;
  const stopping = new AbortController();
  const pidFile = join(context.folders.pids, spec.name);
  const logFile = join(context.folders.logs, `${spec.name}.log`);

  const daemon: Daemon = {
    spec,
    status: () => ({ name: spec.name, state, pid: child?.pid, restarts, problem }),
    start: () => void loop(),
    kill: () => void child?.kill("SIGKILL"),
    stop: () => {
      stopping.abort();
      child?.kill("SIGKILL");
      become("stopped");
    },
  };

  function become(next: DaemonState, why?: string): void {
    state = next;
    problem = why;
    context.changed(daemon);
  }

  async function loop(): Promise<void> {
    while (!stopping.signal.aborted) {
      const startedAt = performance.now();
      let why: string;
      try {
        become("waiting", problem);
        await context.awaitReady(spec.after, stopping.signal);
        why = await runOnce();
      } catch (error) {
        why = error instanceof Error ? error.message : String(error);
      }
      if (stopping.signal.aborted) return;
      restarts += 1;
      failuresInARow = performance.now() - startedAt > steadyMs ? 0 : failuresInARow + 1;
      become("backoff", why);
      context.exited(daemon, why);
      await delay(
        Math.min(longestBackoffMs, failuresInARow <= 1 ? 0 : 100 * 2 ** (failuresInARow - 2)),
        stopping.signal,
      );
    }
  }

  /** One life of the process; resolves with the reason of its end. */
  async function runOnce(): Promise<string> {
    await spec.prepare?.();
    if (spec.ready.kind !== "started") await rm(spec.ready.path, { force: true });
    const log = openSync(logFile, "a", 0o600);
    const [program, ...args] = inNamespace(spec.namespace, ["setpriv", "--pdeathsig", "KILL", ...spec.command]);
    const process_ = spawn(program, args, {
      cwd: "/",
      env: { ...process.env, ...spec.env, PATH: systemPath, [labMarkVariable]: context.labMark },
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    child = process_;
    const ended = new AbortController();
    const end = new Promise<string>((resolve) => {
      process_.once("error", (error) => resolve(`could not be started: ${error.message}`));
      process_.once("exit", (code, signal) =>
        resolve(signal === null ? `exited with status ${code}` : `was ended by ${signal}`),
      );
    }).then((why) => {
      child = undefined;
      ended.abort();
      return why;
    });
    if (process_.pid !== undefined) await writeFile(pidFile, `${process_.pid}\n`);
    if (!ended.signal.aborted) become("starting");
    const readiness = await ready(spec.ready, { signal: ended.signal, timeoutMs: readyTimeoutMs });
    if (readiness === "timed out") {
      process_.kill("SIGKILL");
      await end;
      return `was not ready within ${readyTimeoutMs / 1000} s`;
    }
    if (readiness === "yes") become("ready");
    const why = await end;
    await rm(pidFile, { force: true });
    return `${why}; ${await lastWords(logFile)}`;
  }
  return daemon;
}

function ready(readiness: Readiness, waiting: Waiting): Promise<"yes" | "aborted" | "timed out"> {
  switch (readiness.kind) {
    case "started":
      return Promise.resolve("yes");
    case "file":
      return waitForPath(readiness.path, (path) => Promise.resolve(existsSync(path)), waiting);
    case "socket":
      return waitForPath(readiness.path, socketAnswers, waiting);
  }
}

/** The command line that runs `command` in a network namespace; the mount namespace stays, unlike with `ip netns exec`. */
export function inNamespace(
  namespace: string | undefined,
  command: readonly [string, ...string[]],
): readonly [string, ...string[]] {
  return namespace === undefined ? command : ["nsenter", `--net=${namespacePath(namespace)}`, ...command];
}

export function delay(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted || ms === 0) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
  });
}

/** The log's line that tells most of why a process ended: the last that speaks of an error, else the last one. */
async function lastWords(file: string): Promise<string> {
  const lines = (await readFile(file, "utf8")).trimEnd().split("\n").slice(-lastLines);
  return (lines.findLast((line) => /error|fatal|EMER|cannot|can't/i.test(line)) ?? lines.at(-1) ?? "").slice(0, 500);
}
