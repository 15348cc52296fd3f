import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, openSync, rmSync, watch } from "node:fs";
import { join } from "node:path";
import type { OpenVswitch, OvnNorthbound } from "@ovenbird/ovsdb-schemas";
import { type Client, createClient, type Replica } from "ovsdb-client-ts";

/** One node of real OVN for tests: databases, northd, vswitchd (userspace datapath) and ovn-controller, in a namespace. */
export interface OvnNode {
  readonly folder: string;
  /** The namespace that plays the node's host. */
  readonly namespace: { readonly name: string; readonly path: string };
  readonly northbound: Client<OvnNorthbound>;
  readonly openVswitch: Client<OpenVswitch>;
  readonly replica: Replica<OpenVswitch>;
  /** Makes a namespace for a pod, removed with the node. */
  addPodNamespace(): { readonly name: string; readonly path: string };
  /** SIGSTOP or SIGCONT to one of the daemons. */
  signal(daemon: "ovn-controller" | "ovs-vswitchd" | "ovs-db", signal: "SIGSTOP" | "SIGCONT"): void;
  /** Kills the local Open vSwitch database; the file stays. */
  killDatabase(): Promise<void>;
  restartDatabase(): Promise<void>;
  vsctl(...args: readonly string[]): string;
  stop(): Promise<void>;
}

export const run = (...command: readonly string[]): string =>
  execFileSync(command[0] ?? "", command.slice(1), { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

export async function startOvnNode(): Promise<OvnNode> {
  const folder = mkdtempSync("/tmp/ovenbird-cni-");
  const name = `obt-node-${randomBytes(4).toString("hex")}`;
  const daemons = new Map<string, ChildProcess>();
  const namespaces: string[] = [];
  const clients: { close(): Promise<void> }[] = [];
  const environment = {
    ...process.env,
    OVS_RUNDIR: folder,
    OVN_RUNDIR: folder,
    OVS_LOGDIR: folder,
    OVN_LOGDIR: folder,
  };

  function start(daemon: string, ...command: readonly string[]): void {
    const log = openSync(join(folder, `${daemon}.output`), "a");
    daemons.set(daemon, spawn(command[0] ?? "", command.slice(1), { env: environment, stdio: ["ignore", log, log] }));
  }

  async function serveDatabase(daemon: string): Promise<string> {
    const socket = join(folder, `${daemon}.sock`);
    rmSync(socket, { force: true });
    const appeared = fileAppears(socket);
    const control = join(folder, `${daemon}.ctl`);
    start(daemon, "ovsdb-server", `--remote=punix:${socket}`, `--unixctl=${control}`, join(folder, `${daemon}.db`));
    await appeared;
    return `unix:${socket}`;
  }

  function startDatabase(daemon: string, schema: string): Promise<string> {
    run("ovsdb-tool", "create", join(folder, `${daemon}.db`), schema);
    return serveDatabase(daemon);
  }

  async function stop(): Promise<void> {
    for (const client of clients) await client.close();
    await Promise.all(
      [...daemons.values()].reverse().map(async (daemon) => {
        if (daemon.exitCode !== null || daemon.signalCode !== null) return;
        const ended = once(daemon, "exit");
        daemon.kill("SIGCONT");
        daemon.kill("SIGTERM");
        const timer = setTimeout(() => daemon.kill("SIGKILL"), 3000);
        await ended;
        clearTimeout(timer);
      }),
    );
    for (const namespace of namespaces) run("ip", "netns", "delete", namespace);
    rmSync(folder, { recursive: true, force: true });
  }

  try {
    run("ip", "netns", "add", name);
    namespaces.push(name);
    run("ip", "-n", name, "link", "set", "lo", "up");
    const [nb, sb, ovs] = await Promise.all([
      startDatabase("nb-db", "/usr/share/ovn/ovn-nb.ovsschema"),
      startDatabase("sb-db", "/usr/share/ovn/ovn-sb.ovsschema"),
      startDatabase("ovs-db", "/usr/share/openvswitch/vswitch.ovsschema"),
    ]);
    start(
      "ovn-northd",
      "ovn-northd",
      `--ovnnb-db=${nb}`,
      `--ovnsb-db=${sb}`,
      `--unixctl=${join(folder, "northd.ctl")}`,
    );
    const vsctl = (...args: readonly string[]) => run("ovs-vsctl", `--db=${ovs}`, "--timeout=20", ...args);
    vsctl("--no-wait", "init");
    vsctl(
      ...["--no-wait", "set", "Open_vSwitch", ".", `external_ids:system-id=${name}`, `external_ids:ovn-remote=${sb}`],
      ...["external_ids:ovn-encap-type=geneve", "external_ids:ovn-encap-ip=127.0.0.1"],
      ...["external_ids:ovn-bridge-datapath-type=netdev"],
      ...["--", "add-br", "br-int", "--", "set", "Bridge", "br-int", "datapath_type=netdev", "fail_mode=secure"],
    );
    start(
      "ovs-vswitchd",
      "ip",
      "netns",
      "exec",
      name,
      "ovs-vswitchd",
      "--disable-system",
      `--unixctl=${join(folder, "vswitchd.ctl")}`,
      ovs,
    );
    start("ovn-controller", "ip", "netns", "exec", name, "ovn-controller", ovs);
    const northbound = createClient<OvnNorthbound>({ endpoints: nb, database: "OVN_Northbound", leaderOnly: false });
    const openVswitch = createClient<OpenVswitch>({ endpoints: ovs, database: "Open_vSwitch", leaderOnly: false });
    clients.push(northbound, openVswitch);
    const replica = await openVswitch.replicate({
      Bridge: ["name", "ports"],
      Port: ["name", "interfaces", "external_ids"],
      Interface: ["name", "external_ids", "error", "ofport"],
    });
    await northbound.ready();
    return {
      folder,
      namespace: { name, path: `/var/run/netns/${name}` },
      northbound,
      openVswitch,
      replica,
      addPodNamespace() {
        const pod = `obt-pod-${randomBytes(4).toString("hex")}`;
        run("ip", "netns", "add", pod);
        namespaces.push(pod);
        return { name: pod, path: `/var/run/netns/${pod}` };
      },
      signal(daemon, signal) {
        daemons.get(daemon)?.kill(signal);
      },
      async killDatabase() {
        const daemon = daemons.get("ovs-db");
        if (daemon === undefined) return;
        const ended = once(daemon, "exit");
        daemon.kill("SIGKILL");
        await ended;
      },
      async restartDatabase() {
        await serveDatabase("ovs-db");
      },
      vsctl,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Resolves when the file is there; the folder must exist. */
function fileAppears(path: string): Promise<void> {
  return new Promise((resolve) => {
    const watcher = watch(join(path, ".."), () => {
      if (!existsSync(path)) return;
      watcher.close();
      resolve();
    });
  });
}
