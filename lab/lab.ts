import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { inPod, type PodView, podView } from "./kubelet/pod-view.ts";
import type { Matrix } from "./probing/matrix.ts";
import { type ProbeOutcome, type ProbeSpec, readProbes } from "./probing/probe-spec.ts";
import { runProbes } from "./probing/run-probes.ts";
import { createWhereabouts } from "./probing/whereabouts.ts";
import { type DaemonStatus, labMarkVariable } from "./supervisor/daemon.ts";
import { freePort, type Lifeline, launchSupervisor, readConfig, supervisorRuns } from "./supervisor/launch.ts";
import { leaveCluster } from "./supervisor/leave-cluster.ts";
import { hostEnvironment, switchEnvironment } from "./supervisor/plan.ts";
import { askSupervisor, type SupervisorEvent } from "./supervisor/protocol.ts";
import { labMark, nameTaken, otherLabOf, tearDown } from "./supervisor/teardown.ts";
import { readKubeconfig, serverOf } from "./topology/kubeconfig.ts";
import {
  type Family,
  type Host,
  type LabConfig,
  type Layout,
  labConfig,
  layoutOf,
  namespacePath,
  outsideHosts,
  paths,
  stateFolder,
} from "./topology/layout.ts";
import { run, systemPath } from "./topology/run.ts";

export interface LabOptions {
  /** 1 to 15 lower-case letters, digits and dashes; default `default`. Labs of different names do not meet. */
  readonly name?: string;
  /** Default 3. */
  readonly nodes?: number;
  /** Default both. */
  readonly families?: readonly Family[];
  /** A kubeconfig file of a real cluster to use instead of the embedded API. */
  readonly kubeconfig?: string;
  /** Whether to create the demonstration pods; default true. */
  readonly demoPods?: boolean;
  /** Zones that the nodes get in turn; default none. */
  readonly zones?: readonly string[];
  /** Whether the nodes have two more links, to a switch that knows VLANs; default false. */
  readonly trunk?: boolean;
  /** Told of each step of the way. */
  readonly onEvent?: (event: SupervisorEvent) => void;
  /** Leave a lab that does not come up as it is, to look into; default false. */
  readonly keepFailed?: boolean;
  /** Gives up; what was begun is taken back. */
  readonly signal?: AbortSignal;
}

/** A running lab. */
export interface Lab {
  readonly name: string;
  readonly layout: Layout;
  /** State folder: logs in `logs/`, process ids by name in `pids/`. */
  readonly folder: string;
  /** Names of the nodes. */
  readonly nodes: readonly string[];
  /** A kubeconfig that works from the root namespace. */
  readonly kubeconfig: string;
  /** Runs kubectl to its end and gives its standard output. @throws CommandError when it fails */
  kubectl(args: readonly string[], options?: { readonly input?: string; readonly timeoutMs?: number }): Promise<string>;
  /** Sends probes at once; outcomes in the same order. */
  probe(probes: readonly ProbeSpec[]): Promise<readonly ProbeOutcome[]>;
  /** Measures the all-pairs matrix. */
  check(): Promise<Matrix>;
  /** Runs a command in the namespace of `node1`, `central`, `outside`, `vlan100`, `underlay` or `namespace/pod` and gives its output. @throws CommandError */
  exec(
    target: string,
    command: readonly string[],
    options?: { readonly input?: string; readonly timeoutMs?: number },
  ): Promise<string>;
  status(): Promise<readonly DaemonStatus[]>;
  /** SIGKILL for a process by its name in `status()`, such as `controller`, `node1.ovs-vswitchd`; the supervisor starts it anew. @returns its former pid */
  kill(processName: string): Promise<number>;
  /** Resolves when all processes and nodes are ready (again). */
  ready(): Promise<void>;
  /** Takes away all that the lab made. */
  down(): Promise<void>;
  /** Lets the lab live on when this process ends. */
  detach(): void;
}

/**
 * Builds a lab, or joins the one of that name that runs, which has to be as the options that are given say; resolves
 * when all of it is ready.
 * A lab that this call has started lives no longer than this process, unless `detach` is called.
 * @throws Error in words when it does not come up; nothing is left of it then
 */
export async function startLab(options: LabOptions = {}): Promise<Lab> {
  const folder = folderOf(options.name);
  const running = await supervisorRuns(folder);
  if (running) {
    const lab = await connectLab(options);
    const differences = differencesOf(lab.layout.config, options);
    if (differences.length > 0)
      throw new Error(
        `the lab ${lab.name} runs with ${differences.join(" and ")}; take it down first ("npm run lab -- down${named(lab.name)}") to build it otherwise`,
      );
    return up(lab, options);
  }
  const config = await configOf(options);
  const other = otherLabOf(config.name, folder);
  if (other !== undefined) throw new Error(nameTaken(config.name, other));
  // What a lab whose supervisor and reaper were both killed has left would be in the way.
  await tearDown({ name: config.name, folder, spare: [process.pid] });
  options.signal?.throwIfAborted();
  const lifeline = await launchSupervisor(folder, config);
  try {
    return await up(labOf(layoutOf(config, folder), lifeline), options);
  } catch (error) {
    if (options.keepFailed === true && options.signal?.aborted !== true) {
      lifeline.detach();
      throw error;
    }
    await lifeline.abandon();
    const complaint = lifeline.complaint();
    throw complaint === "" ? error : new Error(complaint, { cause: error });
  }
}

/** The lab of that name, which has to be running. @throws Error in words when it is not */
export async function connectLab(options: { readonly name?: string } = {}): Promise<Lab> {
  const folder = folderOf(options.name);
  if (!(await supervisorRuns(folder)))
    throw new Error(
      `the lab ${options.name ?? defaultName} does not run: start it with "npm run lab${named(options.name, " -- up")}"${await othersRunning(folder)}`,
    );
  return labOf(layoutOf(readConfig(folder), folder), undefined);
}

/** Which labs run beside the folder of one that does not: most often a name was forgotten, or stands too far behind. */
async function othersRunning(folder: string): Promise<string> {
  const parent = dirname(folder);
  const running: string[] = [];
  for (const entry of existsSync(parent) ? readdirSync(parent, { withFileTypes: true }) : []) {
    if (entry.isDirectory() && (await supervisorRuns(join(parent, entry.name)))) running.push(entry.name);
  }
  if (running.length === 0) return "";
  return `; running: ${running.join(", ")} (say --name NAME right behind the lab's command)`;
}

/** Takes away what is there of a lab, running or not. @returns whether there was anything */
export async function stopLab(name = defaultName): Promise<boolean> {
  const folder = folderOf(name);
  await leaveCluster(folder);
  return tearDown({ name, folder, spare: [process.pid] });
}

export const defaultName = "default";

/** What a command line needs to mean the lab `name`: nothing for the default one. */
function named(name = defaultName, before = ""): string {
  return name === defaultName ? "" : `${before} --name ${name}`;
}

/** How a running lab is otherwise than what was asked for; what was not said differs from nothing. */
export function differencesOf(
  config: LabConfig,
  {
    nodes,
    families,
    kubeconfig,
    demoPods,
    zones,
    trunk,
  }: Pick<LabOptions, "nodes" | "families" | "kubeconfig" | "demoPods" | "zones" | "trunk">,
): readonly string[] {
  return [
    nodes === undefined || nodes === config.nodes ? "" : `${config.nodes} node${config.nodes === 1 ? "" : "s"}`,
    families === undefined || [...families].sort().join() === [...config.families].sort().join()
      ? ""
      : config.families.join(" and "),
    kubeconfig === undefined || resolve(kubeconfig) === config.kubeconfig
      ? ""
      : `the API of ${config.kubeconfig ?? "its own"}`,
    demoPods !== false || !config.demoPods ? "" : "demonstration pods",
    zones === undefined || zones.join() === config.zones.join()
      ? ""
      : config.zones.length === 0
        ? "no zones"
        : `the zones ${config.zones.join(", ")}`,
    trunk !== true || config.trunk ? "" : "no trunk",
  ].filter((difference) => difference !== "");
}

export function folderOf(name = defaultName): string {
  return resolve(stateFolder(labConfig.shape.name.parse(name)));
}

async function configOf(options: LabOptions): Promise<LabConfig> {
  return labConfig.parse({
    name: options.name ?? defaultName,
    nodes: options.nodes ?? 3,
    families: options.families ?? ["ipv4", "ipv6"],
    ...(options.kubeconfig === undefined
      ? {}
      : {
          kubeconfig: resolve(options.kubeconfig),
          apiServer: serverOf(await readKubeconfig(options.kubeconfig)),
        }),
    apiPort: await freePort(),
    demoPods: options.demoPods ?? true,
    zones: options.zones ?? [],
    trunk: options.trunk ?? false,
  });
}

async function up(lab: Lab, options: LabOptions): Promise<Lab> {
  for await (const event of askSupervisor(paths(lab.folder).supervisorSocket, { verb: "up" }, options.signal)) {
    options.onEvent?.(event);
    if (event.kind === "done") return lab;
    if (event.kind === "failed") throw new Error(event.message);
  }
  options.signal?.throwIfAborted();
  throw new Error("the supervisor ended");
}

function labOf(layout: Layout, lifeline: Lifeline | undefined): Lab {
  const { folder } = layout;
  const kubeconfig = paths(folder).kubeconfig;
  const socket = paths(folder).supervisorSocket;
  const lab: Lab = {
    name: layout.config.name,
    layout,
    folder,
    nodes: layout.nodes.map(({ name }) => name),
    kubeconfig,
    kubectl: (args, options = {}) =>
      run(["kubectl", "--kubeconfig", kubeconfig, ...args], { timeoutMs: 120_000, ...options }),
    probe: async (probes) => runProbes(layout, readProbes(probes)),
    // What speaks to the API is slow to load, and most commands do without.
    check: async () => (await import("./probing/matrix.ts")).measureMatrix(layout),
    async exec(target, command, options = {}) {
      const place = await placeOf(layout, target);
      return run(inPod(place.namespace, place.view, command), { env: place.env, ...options });
    },
    async status() {
      for await (const event of askSupervisor(socket, { verb: "status" }))
        if (event.kind === "status") return event.daemons;
      throw new Error("the supervisor gave no status");
    },
    async kill(processName) {
      const pid = Number(readFileSync(join(paths(folder).pids, processName), "utf8"));
      process.kill(pid, "SIGKILL");
      return pid;
    },
    async ready() {
      await up(lab, {});
    },
    async down() {
      if (lifeline !== undefined) await lifeline.abandon();
      await stopLab(layout.config.name);
    },
    detach: () => lifeline?.detach(),
  };
  return lab;
}

export interface Place {
  /** Path of a network namespace. */
  readonly namespace: string;
  readonly env: Readonly<Record<string, string>>;
  /** A pod's own files. */
  readonly view?: PodView | undefined;
}

/** Where a command for `target` runs, and the variables by which the OVS and OVN tools find that host's daemons. */
export async function placeOf(layout: Layout, target: string): Promise<Place> {
  const where = createWhereabouts(layout);
  try {
    const host: Host | undefined = where.host(target);
    const mark = { [labMarkVariable]: labMark(layout.folder), PATH: systemPath };
    if (host !== undefined)
      return { namespace: namespacePath(host.namespace), env: { ...hostEnvironment(layout, host), ...mark } };
    if (target === "underlay") {
      const env = layout.trunk === undefined ? {} : switchEnvironment(layout, layout.trunk);
      return { namespace: namespacePath(layout.underlay), env: { ...env, ...mark } };
    }
    if (!target.includes("/")) {
      const known = [
        "central",
        "underlay",
        ...outsideHosts(layout)
          .concat(layout.nodes)
          .map(({ name }) => name),
      ];
      throw new Error(`there is no ${target}: say ${known.join(", ")} or namespace/pod`);
    }
    const { namespace, host: node } = await where.pod(target);
    const view = namespace === namespacePath(node.namespace) ? undefined : podView(layout, target.split("/")[0] ?? "");
    return { namespace, env: { ...mark, ...view?.env }, view };
  } finally {
    await where.close();
  }
}

/** Runs a command with our own standard streams. @returns its exit status */
export function runAttached(place: Place, command: readonly string[]): Promise<number> {
  const [program = "", ...args] = inPod(place.namespace, place.view, command[0] === "--" ? command.slice(1) : command);
  return attached(program, args, place.env);
}

/** @param folder in which it runs; @returns the exit status; 127 when the program can't be started, 128 + n when signal n ended it */
export function attached(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  folder = process.cwd(),
): Promise<number> {
  // Ctrl-C is for the command; we end when it does.
  const ignore = () => undefined;
  process.on("SIGINT", ignore);
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: "inherit", cwd: folder, env: { ...process.env, ...env } });
    const finish = (status: number) => {
      process.off("SIGINT", ignore);
      resolve(status);
    };
    child.once("error", (error) => {
      process.stderr.write(`${program}: ${error.message}\n`);
      finish(127);
    });
    child.once("exit", (code) => finish(code ?? 130));
  });
}
