import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, watch, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import type { FromApi, ToApi } from "./kubernetes-api.ts";

/**
 * A host for the agent, for tests: a network namespace with a real ovsdb-server and ovs-vswitchd (userspace datapath)
 * and an uplink to a second namespace that plays the world outside. No OVN: what the agent does itself is in question.
 */
export interface AgentHost {
  readonly folder: string;
  readonly namespace: string;
  readonly outside: string;
  readonly uplink: string;
  readonly confDir: string;
  readonly binDir: string;
  readonly cniSocket: string;
  /** Runs a command in the node's namespace and gives what it prints. */
  inNode(...command: readonly string[]): string;
  inOutside(...command: readonly string[]): string;
  vsctl(...args: readonly string[]): string;
  ofctl(...args: readonly string[]): string;
  startAgent(...flags: readonly string[]): AgentProcess;
  /** Starts a program in the node's namespace, with this host's run directories; ended with the host. */
  start(name: string, ...command: readonly string[]): ChildProcess;
  startVswitchd(): void;
  /** kill -9 */
  killVswitchd(): Promise<void>;
  /** Sets annotations of the Node, as the controller does. */
  annotate(annotations: Readonly<Record<string, string>>): void;
  /** Makes or changes a Service. */
  putService(name: string, spec: object): void;
  /** Makes, changes or (undefined) deletes a ProviderNetwork. */
  putProviderNetwork(name: string, spec: object | undefined): void;
  /** What the agent said last in the status of each ProviderNetwork. */
  readonly statuses: ReadonlyMap<string, object | undefined>;
  /** What the agent patched, in order. */
  readonly patches: Readonly<Record<string, string>>[];
  /** Resolves when a condition holds; looks again while it doesn't. @throws Error with what it waited for */
  until(what: string, holds: () => boolean): Promise<void>;
  stop(): Promise<void>;
}

export interface AgentProcess {
  readonly process: ChildProcess;
  readonly output: () => string;
  /** Sends the signal and waits for the end. */
  end(signal?: "SIGTERM" | "SIGKILL"): Promise<number | null>;
}

const run = (...command: readonly string[]): string =>
  execFileSync(command[0] ?? "", command.slice(1), { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

/** @param options.vswitchdFlags further flags; by default vswitchd has no kernel datapath, whatever the kernel has */
export async function startAgentHost(options: { readonly vswitchdFlags?: readonly string[] } = {}): Promise<AgentHost> {
  const { vswitchdFlags = ["--disable-system"] } = options;
  const folder = mkdtempSync("/tmp/ovenbird-agent-");
  const tag = randomBytes(3).toString("hex");
  const namespace = `obt-agent-${tag}`;
  const outside = `obt-out-${tag}`;
  const uplink = "up0";
  const children = new Set<ChildProcess>();
  const patches: Readonly<Record<string, string>>[] = [];
  const statuses = new Map<string, object | undefined>();
  const database = `unix:${join(folder, "db.sock")}`;
  let vswitchd: ChildProcess | undefined;
  let api: ChildProcess | undefined;

  function start(name: string, ...command: readonly string[]): ChildProcess {
    const log = openSync(join(folder, `${name}.output`), "a");
    const child = spawn("ip", ["netns", "exec", namespace, ...command], {
      env: { ...process.env, OVS_RUNDIR: folder, OVS_LOGDIR: folder, OVN_RUNDIR: folder, OVN_LOGDIR: folder },
      stdio: ["ignore", log, log],
    });
    children.add(child);
    return child;
  }
  async function end(child: ChildProcess, signal: "SIGTERM" | "SIGKILL"): Promise<number | null> {
    children.delete(child);
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, "exit");
      child.kill(signal);
      const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
      await ended;
      clearTimeout(timer);
    }
    return child.exitCode;
  }
  const inNode = (...command: readonly string[]) => run("ip", "netns", "exec", namespace, ...command);
  const inOutside = (...command: readonly string[]) => run("ip", "netns", "exec", outside, ...command);
  const vsctl = (...args: readonly string[]) => run("ovs-vsctl", `--db=${database}`, "--timeout=10", ...args).trim();

  function startVswitchd(): void {
    vswitchd = start(
      "vswitchd",
      "ovs-vswitchd",
      ...vswitchdFlags,
      `--unixctl=${join(folder, "vswitchd.ctl")}`,
      database,
    );
  }

  async function stop(): Promise<void> {
    api?.disconnect();
    await Promise.all([...children].reverse().map((child) => end(child, "SIGTERM")));
    for (const name of [namespace, outside]) run("ip", "netns", "delete", name);
    rmSync(folder, { recursive: true, force: true });
  }

  run("ip", "netns", "add", namespace);
  run("ip", "netns", "add", outside);
  try {
    for (const [name, link] of [
      [namespace, uplink],
      [outside, "wire"],
    ] as const) {
      if (name === namespace) {
        run("ip", "-n", namespace, "link", "add", uplink, "type", "veth", "peer", "name", "wire", "netns", outside);
      }
      run("ip", "-n", name, "link", "set", "lo", "up");
      run("ip", "-n", name, "link", "set", link, "up");
    }
    // As on a real wire: whoever gets a frame finds its checksums filled in.
    inOutside("ethtool", "-K", "wire", "tx", "off");
    run("ip", "-n", outside, "address", "add", "192.0.2.1/24", "dev", "wire");
    run("ip", "-n", outside, "address", "add", "2001:db8::1/64", "dev", "wire", "nodad");
    run("ip", "-n", namespace, "address", "add", "192.0.2.11/24", "dev", uplink);
    run("ip", "-n", namespace, "address", "add", "2001:db8::11/64", "dev", uplink, "nodad");
    run("ip", "-n", namespace, "route", "add", "default", "via", "192.0.2.1");
    run("ip", "-n", namespace, "route", "add", "198.51.100.0/24", "via", "192.0.2.1", "metric", "50");
    run("ip", "-n", namespace, "-6", "route", "add", "default", "via", "2001:db8::1");

    run("ovsdb-tool", "create", join(folder, "conf.db"), "/usr/share/openvswitch/vswitch.ovsschema");
    start(
      "ovsdb-server",
      "ovsdb-server",
      `--remote=p${database}`,
      `--unixctl=${join(folder, "ovsdb.ctl")}`,
      join(folder, "conf.db"),
    );
    await socketAnswers(join(folder, "db.sock"));
    vsctl("--no-wait", "init");
    startVswitchd();

    const listening = Promise.withResolvers<number>();
    api = spawn(
      "ip",
      [
        "netns",
        "exec",
        namespace,
        process.execPath,
        join(import.meta.dirname, "kubernetes-api.ts"),
        "node-a",
        "192.0.2.11",
      ],
      { stdio: ["ignore", "inherit", "inherit", "ipc"] },
    );
    children.add(api);
    api.on("message", (message) => {
      const said = message as FromApi;
      if (said.kind === "listening") listening.resolve(said.port);
      else if (said.kind === "status") statuses.set(said.network, said.status);
      else patches.push(said.annotations);
    });
    const kubeconfig = join(folder, "kubeconfig");
    writeFileSync(kubeconfig, kubeconfigOf(await listening.promise));

    return {
      folder,
      namespace,
      outside,
      uplink,
      confDir: join(folder, "net.d"),
      binDir: join(folder, "bin"),
      cniSocket: join(folder, "cni.sock"),
      patches,
      statuses,
      start,
      inNode,
      inOutside,
      vsctl,
      ofctl: (...args) => run("ovs-ofctl", "-O", "OpenFlow14", ...args),
      startVswitchd,
      async killVswitchd() {
        if (vswitchd) await end(vswitchd, "SIGKILL");
      },
      startAgent(...flags) {
        const name = `agent-${randomBytes(2).toString("hex")}`;
        const child = start(
          name,
          process.execPath,
          join(import.meta.dirname, "..", "main.ts"),
          ...["--node", "node-a", "--kubeconfig", kubeconfig, "--ovs-db", database, "--ovs-rundir", folder],
          ...["--cni-socket", join(folder, "cni.sock"), "--cni-conf-dir", join(folder, "net.d")],
          ...["--cni-bin-dir", join(folder, "bin"), "--system-id", "chassis-a", ...flags],
        );
        return {
          process: child,
          output: () => readFileSync(join(folder, `${name}.output`), "utf8"),
          end: (signal = "SIGTERM") => end(child, signal),
        };
      },
      annotate(annotations) {
        const message: ToApi = { annotations };
        api?.send(message);
      },
      putService(name, spec) {
        const message: ToApi = { service: { name, spec } };
        api?.send(message);
      },
      putProviderNetwork(name, spec) {
        const message: ToApi = { providerNetwork: { name, spec } };
        api?.send(message);
      },
      async until(what, holds) {
        const deadline = performance.now() + 20_000;
        while (!holds()) {
          if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`);
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function kubeconfigOf(port: number): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "test", cluster: { server: `http://127.0.0.1:${port}` } }],
    users: [{ name: "test", user: {} }],
    contexts: [{ name: "test", context: { cluster: "test", user: "test" } }],
    "current-context": "test",
  });
}

/** Resolves when somebody listens on a unix socket; the folder must exist. */
export async function socketAnswers(path: string): Promise<void> {
  if (!existsSync(path)) {
    await new Promise<void>((resolve) => {
      const watcher = watch(join(path, ".."), () => {
        if (!existsSync(path)) return;
        watcher.close();
        resolve();
      });
    });
  }
  // Between bind(2), which makes the file, and listen(2) a connection is refused.
  for (;;) {
    const connected = await new Promise<boolean>((resolve) => {
      const probe = connect(path, () => {
        probe.destroy();
        resolve(true);
      });
      probe.on("error", () => resolve(false));
    });
    if (connected) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
