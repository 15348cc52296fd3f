import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import type { Prober, ServedPort } from "../probe/index.ts";
import { systemPath } from "../topology/run.ts";
import { type ContainerRecord, isCommand, type PodRecord } from "./pod.ts";
import { inPod, type PodView } from "./pod-view.ts";
import { watchReadiness } from "./readiness-probe.ts";

export interface ContainerEnd {
  readonly kind: "terminated";
  readonly exitCode: number;
  readonly startedAt: string;
  readonly finishedAt: string;
}

export type ContainerState =
  | { readonly kind: "running"; readonly startedAt: string }
  | { readonly kind: "waiting"; readonly reason: string; readonly message: string }
  | ContainerEnd;

export interface ContainerStatus {
  readonly name: string;
  readonly image: string;
  readonly state: ContainerState;
  /** It runs, and its readiness probe says so too. */
  readonly ready: boolean;
  readonly restarts: number;
  /** How it ended before it was started anew. */
  readonly last?: ContainerEnd;
}

/** What runs in a pod's namespace. */
export interface PodProcesses {
  statuses(): readonly ContainerStatus[];
  stop(): Promise<void>;
}

export interface StartOptions {
  readonly pod: PodRecord;
  /** Path of the namespace. */
  readonly netns: string;
  /** The pod's own address, which readiness probes ask. */
  readonly address: string;
  /** Path of the node's network namespace, from which they ask. */
  readonly nodeNamespace: string;
  readonly view: PodView | undefined;
  readonly prober: Prober;
  readonly logFolder: string;
  /** A container's state has changed. */
  readonly changed: () => void;
  /** A readiness probe has failed. */
  readonly unhealthy: (why: string) => void;
}

const longestRestartMs = 30_000;
const longestGraceMs = 5000;

/**
 * Starts a pod's containers: a probe server on every port that a container declares, or, where the image is `exec`,
 * the container's command as a process of this machine in the pod's network namespace.
 */
export function startContainers(options: StartOptions): PodProcesses {
  const containers = options.pod.containers.map((record) =>
    withReadiness(record, isCommand(record) ? startCommand(record, options) : startServers(record, options), options),
  );
  return {
    statuses: () => containers.map((container) => container.status()),
    stop: async () => {
      await Promise.all(containers.map((container) => container.stop()));
    },
  };
}

interface RunningContainer {
  status(): Omit<ContainerStatus, "ready">;
  stop(): Promise<void>;
}

interface WatchedContainer {
  status(): ContainerStatus;
  stop(): Promise<void>;
}

/** A container that is ready when it runs and, where it has a readiness probe, that one says so. */
function withReadiness(
  record: ContainerRecord,
  container: RunningContainer,
  { netns, address, nodeNamespace, view, prober, changed, unhealthy }: StartOptions,
): WatchedContainer {
  const { readinessProbe: probe, ports } = record;
  const watch =
    probe === undefined
      ? undefined
      : watchReadiness(
          { probe, ports, address, netns, view, nodeNamespace, prober },
          { changed, failed: (why) => unhealthy(why) },
        );
  return {
    status() {
      const status = container.status();
      return { ...status, ready: status.state.kind === "running" && watch?.ready !== false };
    },
    async stop() {
      watch?.stop();
      await container.stop();
    },
  };
}

function startServers(record: ContainerRecord, { pod, netns, prober }: StartOptions): RunningContainer {
  const ports = record.ports.map(
    ({ containerPort, protocol }): ServedPort => ({
      protocol: protocol.toLowerCase() as ServedPort["protocol"],
      port: containerPort,
    }),
  );
  const status = (state: ContainerState) => ({ name: record.name, image: record.image, state, restarts: 0 });
  try {
    const servers = prober.serve({ namespace: netns, identity: pod.key, ports });
    const startedAt = new Date().toISOString();
    return {
      status: () => status({ kind: "running", startedAt }),
      stop: async () => servers.close(),
    };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return {
      status: () => status({ kind: "waiting", reason: "CreateContainerError", message }),
      stop: () => Promise.resolve(),
    };
  }
}

function startCommand(
  record: ContainerRecord,
  { pod, netns, view, logFolder, changed }: StartOptions,
): RunningContainer {
  let state: ContainerState = { kind: "waiting", reason: "ContainerCreating", message: "" };
  let restarts = 0;
  let last: ContainerEnd | undefined;
  let child: ChildProcess | undefined;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  function start(): void {
    const startedAt = new Date().toISOString();
    const log = openSync(join(logFolder, `${pod.uid}.log`), "a", 0o600);
    const command = [...record.command, ...record.args];
    const [program = "", ...args] = inPod(netns, view, ["setpriv", "--pdeathsig", "KILL", ...command]);
    child = spawn(program, args, {
      cwd: "/",
      env: {
        ...process.env,
        PATH: systemPath,
        HOSTNAME: pod.name,
        ...view?.env,
        ...Object.fromEntries(record.env.map((e) => [e.name, e.value])),
      },
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    state = { kind: "running", startedAt };
    let settled = false;
    const ended = (exitCode: number) => {
      if (settled) return;
      settled = true;
      child = undefined;
      const end: ContainerEnd = { kind: "terminated", exitCode, startedAt, finishedAt: new Date().toISOString() };
      state = end;
      if (stopped) return;
      if (pod.restartPolicy === "Always" || (pod.restartPolicy === "OnFailure" && exitCode !== 0)) {
        const waitMs = Math.min(longestRestartMs, 500 * 2 ** restarts);
        timer = setTimeout(start, waitMs);
        restarts += 1;
        last = end;
        const message = `back-off ${waitMs / 1000} s, restarting container ${record.name} that ended with status ${exitCode}`;
        state = { kind: "waiting", reason: "CrashLoopBackOff", message };
      }
      changed();
    };
    child.once("error", () => ended(127));
    child.once("exit", (code, signal) => ended(code ?? (signal === "SIGKILL" ? 137 : 143)));
    changed();
  }
  start();
  return {
    status: () => ({
      ...{ name: record.name, image: record.image, state, restarts },
      ...(last === undefined ? {} : { last }),
    }),
    stop: () => {
      stopped = true;
      clearTimeout(timer);
      const running = child;
      if (running === undefined) return Promise.resolve();
      return new Promise((resolve) => {
        const force = setTimeout(() => running.kill("SIGKILL"), Math.min(longestGraceMs, pod.gracePeriodMs));
        running.once("exit", () => {
          clearTimeout(force);
          resolve();
        });
        running.kill("SIGTERM");
      });
    },
  };
}
