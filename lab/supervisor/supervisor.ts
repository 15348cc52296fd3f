import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import { makePodToken } from "../kubelet/pod-view.ts";
import { identity, makeCertificates } from "../topology/certificates.ts";
import { readKubeconfig, save, writeKubeconfig, writeKubeconfigVia } from "../topology/kubeconfig.ts";
import { hostPort, type Layout, paths, ports } from "../topology/layout.ts";
import { raiseNeighbourLimits } from "../topology/neighbour-limits.ts";
import { buildNetwork } from "../topology/network.ts";
import { createDaemon, type Daemon, type DaemonSpec, type DaemonStatus } from "./daemon.ts";
import { centralFiles, nodeFiles } from "./plan.ts";
import { buildPrograms, installPlugin } from "./programs.ts";
import type { Step, SupervisorEvent } from "./protocol.ts";
import { labMark } from "./teardown.ts";

/** A daemon that ended this often without becoming ready, while `up` waits for it, makes `up` fail. */
const attempts = 6;
/** How much of a log a message shows. */
const tailLines = 15;
const tailColumns = 400;

/** What `up` waits for once the daemons run; given from outside because it speaks to the Kubernetes API. */
export interface Milestones {
  /** Resolves when the API answers and the namespaces that every cluster has are there. */
  apiReady(signal: AbortSignal): Promise<void>;
  /** Resolves when the Node object says Ready; `waiting` is told what is still amiss. */
  nodeReady(name: string, signal: AbortSignal, waiting: (problem: string) => void): Promise<void>;
  /**
   * Creates the demonstration pods where they are missing and resolves when all run, with a few words about them;
   * `waiting` is told of those that do not yet, and why.
   */
  demoPods(signal: AbortSignal, waiting: (problem: string) => void): Promise<string>;
}

export interface Supervisor {
  /** Makes what is missing and waits until all is ready. Bears repetition; a second call at the same time joins in. */
  up(report: (event: SupervisorEvent) => void): Promise<void>;
  status(): readonly DaemonStatus[];
  stop(): void;
}

export function createSupervisor(
  layout: Layout,
  specs: readonly DaemonSpec[],
  milestones: Milestones,
  logger: Logger,
): Supervisor {
  const { pids, logs } = paths(layout.folder);
  const listeners = new Set<() => void>();
  const stopping = new AbortController();
  const daemons = new Map<string, Daemon>();
  let started = false;

  for (const spec of specs)
    daemons.set(
      spec.name,
      createDaemon(spec, {
        labMark: labMark(layout.folder),
        folders: { pids, logs },
        awaitReady: (names, signal) => until(() => names.every(isReady), signal),
        changed: () => {
          for (const listener of [...listeners]) listener();
        },
        exited: (daemon, why) => {
          logger.warn({ daemon: daemon.spec.name, why }, "daemon ended");
          for (const other of daemons.values()) if (other.spec.restartsWith?.includes(daemon.spec.name)) other.kill();
        },
      }),
    );

  function isReady(name: string): boolean {
    return daemons.get(name)?.status().state === "ready";
  }

  /** Resolves when `test` holds, asked again at each change of any daemon's state. */
  function until(test: () => boolean, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void) => {
        listeners.delete(check);
        signal.removeEventListener("abort", check);
        settle();
      };
      const check = () => {
        if (signal.aborted) return finish(() => reject(new Error("stopped")));
        try {
          if (test()) finish(resolve);
        } catch (error) {
          finish(() => reject(error));
        }
      };
      listeners.add(check);
      signal.addEventListener("abort", check);
      check();
    });
  }

  /** Resolves when all the named daemons are ready. @throws Error when one of them keeps ending */
  function allReady(names: readonly string[]): Promise<void> {
    const before = new Map(names.map((name) => [name, daemons.get(name)?.status().restarts ?? 0]));
    return until(() => {
      for (const name of names) {
        const status = daemons.get(name)?.status();
        if (status !== undefined && status.state !== "ready" && status.restarts - (before.get(name) ?? 0) >= attempts)
          throw new Error(`${name} ${status.problem ?? "does not become ready"}
${logTail(name)}`);
      }
      return names.every(isReady);
    }, stopping.signal);
  }

  function logTail(name: string): string {
    const lines = readFileSync(join(logs, `${name}.log`), "utf8")
      .trimEnd()
      .split("\n")
      .slice(-tailLines);
    return lines.map((line) => `  ${name}: ${line.slice(0, tailColumns)}`).join("\n");
  }

  /** What else is wrong while something is waited for: the cause often lies there. */
  function troubles(): string {
    const restless = [...daemons.values()].map((daemon) => daemon.status()).filter(({ state }) => state !== "ready");
    return restless.map(({ name, state, problem }) => `\n${name} is ${state}: ${problem ?? "not ready yet"}`).join("");
  }

  const named = (...names: string[]) => names.filter((name) => daemons.has(name));
  const nodeDaemons = (node: string) => [...daemons.keys()].filter((name) => name.startsWith(`${node}.`));

  /** A step's work tells what it waits for while it does. */
  type Work = (waiting: (problem: string) => void) => Promise<string | undefined>;
  const steps: readonly (Step & { readonly work: Work })[] = [
    { key: "network", title: "Network namespaces, links and certificates", work: () => foundations(layout) },
    {
      key: "central",
      title: "OVN central: northbound, southbound, northd",
      work: async () => {
        if (!started) for (const daemon of daemons.values()) daemon.start();
        started = true;
        await allReady(named("northbound", "southbound", "northd"));
        return undefined;
      },
    },
    {
      key: "kubernetes",
      title:
        layout.config.kubeconfig === undefined
          ? "Kubernetes API, scheduler, endpoints, names"
          : "Way to the Kubernetes API",
      work: async () => {
        await allReady(named("api", "forward", "forward-inside"));
        await milestones.apiReady(stopping.signal);
        await allReady(named("scheduler", "endpoints", "dns"));
        return undefined;
      },
    },
    {
      key: "controller",
      title: "Controller",
      work: () => allReady(named("controller", "outside", "switch.ovs-vswitchd")).then(() => undefined),
    },
    ...layout.nodes.map((node) => ({
      key: node.name,
      title: `${node.name}: Open vSwitch, ovn-controller, agent, kubelet`,
      work: async (waiting: (problem: string) => void) => {
        await allReady(nodeDaemons(node.name));
        await milestones.nodeReady(node.name, stopping.signal, waiting);
        return node.addresses.join(", ");
      },
    })),
    ...(layout.config.demoPods
      ? [
          {
            key: "pods",
            title: "Pods",
            work: (waiting: (problem: string) => void) => milestones.demoPods(stopping.signal, waiting),
          },
        ]
      : []),
  ];

  return {
    async up(report) {
      report({ kind: "steps", steps: steps.map(({ key, title }) => ({ key, title })) });
      const perform = async ({ key, work }: (typeof steps)[number]) => {
        report({ kind: "step", key, state: "running" });
        try {
          const detail = await work((problem) => report({ kind: "step", key, state: "running", detail: problem }));
          report({ kind: "step", key, state: "done", ...(detail === undefined ? {} : { detail }) });
        } catch (error) {
          const detail = `${error instanceof Error ? error.message : String(error)}${troubles()}`;
          report({ kind: "step", key, state: "failed", detail });
          throw new Error(detail, { cause: error });
        }
      };
      // The nodes come up side by side; what is before and after them goes in order.
      const isNode = (key: string) => layout.nodes.some((node) => node.name === key);
      const first = steps.findIndex(({ key }) => isNode(key));
      for (const step of steps.slice(0, first)) await perform(step);
      await Promise.all(steps.filter(({ key }) => isNode(key)).map(perform));
      for (const step of steps.slice(first).filter(({ key }) => !isNode(key))) await perform(step);
    },
    status: () => [...daemons.values()].map((daemon) => daemon.status()),
    stop() {
      stopping.abort();
      for (const daemon of daemons.values()) daemon.stop();
    },
  };
}

/** All that daemons find when they start: folders, namespaces, certificates, kubeconfigs, the programs and the CNI plugin. */
async function foundations(layout: Layout): Promise<string | undefined> {
  const { pids, logs, podLogs, kubeconfig } = paths(layout.folder);
  await Promise.all(
    [
      ...[pids, logs, podLogs, layout.central.folder, layout.outside.folder],
      ...(layout.trunk === undefined ? [] : [layout.trunk.folder]),
    ].map((folder) => mkdir(folder, { recursive: true, mode: 0o700 })),
  );
  for (const node of layout.nodes) {
    const files = nodeFiles(node);
    for (const folder of [files.runFolder, files.cniConfFolder, files.cniBinFolder, files.sandboxes])
      await mkdir(folder, { recursive: true, mode: 0o700 });
  }
  const note = neighbourLimits(layout);
  const [plugin] = await Promise.all([buildPrograms(layout), buildNetwork(layout), makeCertificates(layout)]);
  makePodToken(layout);
  const inside = hostPort(layout.central.addresses[0] ?? "", ports.api);
  const theirs = layout.config.kubeconfig === undefined ? undefined : await readKubeconfig(layout.config.kubeconfig);
  const write = (file: string, who: string) =>
    theirs === undefined
      ? writeKubeconfig(file, `https://${inside}`, identity(layout, who))
      : writeKubeconfigVia(file, theirs, inside);
  await write(centralFiles(layout).controllerKubeconfig, "controller");
  for (const node of layout.nodes) await write(nodeFiles(node).kubeconfig, node.name);
  if (theirs !== undefined) await save(kubeconfig, theirs);
  else await writeKubeconfig(kubeconfig, `https://127.0.0.1:${layout.config.apiPort}`, identity(layout, "admin"));
  await installPlugin(
    plugin,
    layout.nodes.map((node) => nodeFiles(node).cniBinFolder),
  );
  await writeFile(paths(layout.folder).config, `${JSON.stringify(layout.config, undefined, 2)}\n`);
  return note;
}

/** A machine on which the kernel's settings are read-only still can carry a small lab: it is told, not refused. */
function neighbourLimits(layout: Layout): string | undefined {
  try {
    raiseNeighbourLimits(layout.folder);
    return undefined;
  } catch (error) {
    return `the kernel's neighbour limits can't be raised, so at most about 20 pods: ${error instanceof Error ? error.message : String(error)}`;
  }
}
