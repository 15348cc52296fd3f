import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { podTokenFiles } from "../kubelet/pod-view.ts";
import { identity } from "../topology/certificates.ts";
import { type Host, hostPort, type Layout, outsideHosts, paths, ports, type Trunk } from "../topology/layout.ts";
import { centralEndpoint } from "../topology/network.ts";
import { run } from "../topology/run.ts";
import { forgetOnLinkChange, trunkSwitchCommand } from "../topology/trunk.ts";
import type { DaemonSpec } from "./daemon.ts";
import { launcher } from "./programs.ts";

const repository = join(import.meta.dirname, "..", "..");
const program = (path: string): readonly [string, string] => [process.execPath, join(repository, path)];

const schemas = {
  northbound: "/usr/share/ovn/ovn-nb.ovsschema",
  southbound: "/usr/share/ovn/ovn-sb.ovsschema",
  openVswitch: "/usr/share/openvswitch/vswitch.ovsschema",
} as const;

/** Unix sockets and files of the central databases. */
export function centralFiles(layout: Layout) {
  const folder = layout.central.folder;
  return {
    northboundSocket: join(folder, "ovnnb_db.sock"),
    southboundSocket: join(folder, "ovnsb_db.sock"),
    controllerKubeconfig: join(folder, "controller.kubeconfig"),
    apiState: join(folder, "kubernetes.sqlite"),
  } as const;
}

/** Sockets and folders of one node. */
export function nodeFiles(node: Host) {
  return {
    runFolder: join(node.folder, "run"),
    databaseSocket: join(node.folder, "run", "db.sock"),
    cniSocket: join(node.folder, "cni.sock"),
    cniConfFolder: join(node.folder, "cni", "net.d"),
    cniBinFolder: join(node.folder, "cni", "bin"),
    sandboxes: join(node.folder, "sandboxes"),
    kubeconfig: join(node.folder, "kubeconfig"),
  } as const;
}

/** Variables by which `ovs-vsctl`, `ovs-appctl`, `ovn-nbctl` … find the daemons of a host; also given to `lab exec`. */
export function hostEnvironment(layout: Layout, host: Host): Record<string, string> {
  const { northboundSocket, southboundSocket } = centralFiles(layout);
  const runFolder = host.name === "central" ? host.folder : nodeFiles(host).runFolder;
  return {
    OVS_RUNDIR: runFolder,
    OVS_LOGDIR: paths(layout.folder).logs,
    OVS_DBDIR: host.folder,
    OVN_RUNDIR: runFolder,
    OVN_LOGDIR: paths(layout.folder).logs,
    OVN_DBDIR: host.folder,
    OVN_NB_DB: `unix:${northboundSocket}`,
    OVN_SB_DB: `unix:${southboundSocket}`,
    KUBECONFIG: host.name.startsWith("node") ? nodeFiles(host).kubeconfig : centralFiles(layout).controllerKubeconfig,
  };
}

/** Variables by which the OVS tools find the daemons of the trunk's switch. */
export function switchEnvironment(layout: Layout, { folder }: Trunk): Record<string, string> {
  return { OVS_RUNDIR: folder, OVS_LOGDIR: paths(layout.folder).logs, OVS_DBDIR: folder };
}

/** All processes of a lab, in the order of their dependencies. */
export function daemonsOf(layout: Layout): DaemonSpec[] {
  return [
    ...centralDaemons(layout),
    ...switchDaemons(layout),
    ...kubernetesDaemons(layout),
    ...layout.nodes.flatMap((node) => nodeDaemons(layout, node)),
  ];
}

async function createDatabase(file: string, schema: string): Promise<void> {
  if (!existsSync(file)) await run(["ovsdb-tool", "create", file, schema]);
}

function centralDaemons(layout: Layout): DaemonSpec[] {
  const { namespace, folder, addresses } = layout.central;
  const { northboundSocket, southboundSocket } = centralFiles(layout);
  const tls = identity(layout, "central");
  const env = hostEnvironment(layout, layout.central);
  const database = (name: string, file: string, schema: string, socket: string, port: number): DaemonSpec => ({
    name,
    namespace,
    env,
    prepare: () => createDatabase(file, schema),
    command: [
      "ovsdb-server",
      file,
      `--remote=punix:${socket}`,
      ...addresses.map((address) => `--remote=pssl:${hostPort(address, port).replace(/^(.*):(\d+)$/, "$2:$1")}`),
      ...[`--private-key=${tls.key}`, `--certificate=${tls.cert}`, `--ca-cert=${tls.ca}`],
      ...ovsOptions(folder, name),
    ],
    ready: { kind: "socket", path: socket },
    after: [],
  });
  return [
    database("northbound", join(folder, "ovnnb_db.db"), schemas.northbound, northboundSocket, ports.northbound),
    database("southbound", join(folder, "ovnsb_db.db"), schemas.southbound, southboundSocket, ports.southbound),
    {
      name: "northd",
      namespace,
      env,
      command: [
        "ovn-northd",
        ...[`--ovnnb-db=unix:${northboundSocket}`, `--ovnsb-db=unix:${southboundSocket}`],
        ...ovsOptions(folder, "ovn-northd"),
      ],
      ready: { kind: "file", path: join(folder, "ovn-northd.pid") },
      after: ["northbound", "southbound"],
    },
  ];
}

/** The switch of the trunk. */
function switchDaemons(layout: Layout): DaemonSpec[] {
  const { trunk, underlay: namespace } = layout;
  if (trunk === undefined) return [];
  const { folder } = trunk;
  const env = switchEnvironment(layout, trunk);
  const database = join(folder, "conf.db");
  const socket = join(folder, "db.sock");
  return [
    {
      ...{ name: "switch.ovsdb-server", namespace, env },
      prepare: () => createDatabase(database, schemas.openVswitch),
      command: ["ovsdb-server", database, `--remote=punix:${socket}`, ...ovsOptions(folder, "ovsdb-server")],
      ready: { kind: "socket", path: socket },
      after: [],
    },
    {
      ...{ name: "switch.ovs-vswitchd", namespace, env },
      prepare: () => run(trunkSwitchCommand(layout), { env }).then(() => undefined),
      command: ["ovs-vswitchd", `unix:${socket}`, "--disable-system", ...ovsOptions(folder, "ovs-vswitchd")],
      ready: { kind: "file", path: join(folder, "ovs-vswitchd.pid") },
      after: ["switch.ovsdb-server"],
    },
    {
      ...{ name: "switch.links", namespace, env },
      command: ["sh", "-c", forgetOnLinkChange],
      ready: { kind: "started" },
      after: ["switch.ovs-vswitchd"],
      restartsWith: ["switch.ovs-vswitchd"],
    },
  ];
}

/** `ovs-appctl -t NAME` finds the control socket by the pid file, both in the run folder. The log is our own file. */
function ovsOptions(runFolder: string, name: string): string[] {
  return ["--no-chdir", `--pidfile=${join(runFolder, `${name}.pid`)}`, "-vconsole:info", "-vsyslog:off"];
}

/** The daemon through which the API is reached from inside the lab's namespaces. */
function wayToApi({ config }: Layout): string {
  return config.kubeconfig === undefined ? "api" : "forward-inside";
}

function kubernetesDaemons(layout: Layout): DaemonSpec[] {
  const { central, outside, config } = layout;
  const { apiSocket, kubeconfig, controlSocket } = paths(layout.folder);
  const tls = identity(layout, "central");
  const certificate = ["--cert", tls.cert, "--key", tls.key, "--client-ca", tls.ca];
  const controller = identity(layout, "controller");
  const inside = central.addresses.map((address) => hostPort(address, ports.api));
  const forward = (
    name: string,
    namespace: string | undefined,
    listen: readonly string[],
    to: string,
    after: readonly string[],
    options: readonly string[] = [],
  ): DaemonSpec => ({
    name,
    ...(namespace === undefined ? {} : { namespace }),
    command: [
      ...program("lab/forward/main.ts"),
      ...listen.flatMap((address) => ["--listen", address]),
      ...["--to", to],
      ...options,
    ],
    ready: { kind: "started" },
    after,
  });
  const api: DaemonSpec[] =
    config.kubeconfig === undefined
      ? [
          {
            name: "api",
            namespace: central.namespace,
            command: [
              ...program("lab/api/main.ts"),
              ...["--state", centralFiles(layout).apiState],
              ...inside.flatMap((address) => ["--listen", address]),
              ...["--listen-unix", apiSocket, "--service-cidr", layout.serviceCidrs.join(",")],
              ...["--pod-log-dir", paths(layout.folder).podLogs, "--token-file", podTokenFiles(layout).list],
              ...certificate,
            ],
            ready: { kind: "socket", path: apiSocket },
            after: [],
          },
          forward("forward", undefined, [`127.0.0.1:${config.apiPort}`], `unix:${apiSocket}`, ["api"], certificate),
          {
            name: "scheduler",
            command: [...program("lab/scheduler/main.ts"), "--kubeconfig", kubeconfig],
            ready: { kind: "started" },
            after: ["api", "forward"],
          },
          {
            name: "endpoints",
            command: [...program("lab/endpoints/main.ts"), "--kubeconfig", kubeconfig],
            ready: { kind: "started" },
            after: ["api", "forward"],
          },
          {
            name: "dns",
            namespace: central.namespace,
            command: [
              ...program("lab/dns/main.ts"),
              ...["--kubeconfig", centralFiles(layout).controllerKubeconfig],
              ...central.addresses.flatMap((address) => ["--listen", address]),
              ...(outside.addresses[0] === undefined ? [] : ["--upstream", outside.addresses[0]]),
            ],
            ready: { kind: "started" },
            after: ["api"],
          },
        ]
      : [
          // Out of the lab's namespaces by way of a unix socket in the root namespace.
          forward("forward", undefined, [`unix:${apiSocket}`], config.apiServer ?? "", []),
          forward("forward-inside", central.namespace, inside, `unix:${apiSocket}`, ["forward"]),
        ];
  return [
    ...api,
    {
      name: "controller",
      namespace: central.namespace,
      env: hostEnvironment(layout, central),
      command: [
        launcher(layout, "controller"),
        ...["--kubeconfig", centralFiles(layout).controllerKubeconfig],
        ...["--nb", centralEndpoint(layout, ports.northbound), "--sb", centralEndpoint(layout, ports.southbound)],
        ...["--ca", controller.ca, "--cert", controller.cert, "--key", controller.key],
        ...["--cluster-cidr", layout.clusterCidrs.join(","), "--node-prefix", layout.nodePrefixes.join(",")],
        ...["--service-cidr", layout.serviceCidrs.join(",")],
        ...["--join-cidr", layout.joinCidrs.join(","), "--mtu", "1400", "--bind-address", "127.0.0.1:9440"],
        // There is never more than one here: a killed one's successor need not wait until the Lease has expired.
        ...["--identity", "controller"],
      ],
      ready: { kind: "started" },
      after: ["northbound", "southbound", wayToApi(layout)],
    },
    {
      name: "outside",
      command: [
        ...program("lab/outside/main.ts"),
        ...outsideHosts(layout).flatMap(({ name, namespace }) => ["--host", `${name}=${namespace}`]),
        ...["--control", controlSocket(outside)],
      ],
      ready: { kind: "socket", path: controlSocket(outside) },
      after: [],
    },
  ];
}

function nodeDaemons(layout: Layout, node: Host): DaemonSpec[] {
  const { namespace } = node;
  const files = nodeFiles(node);
  const tls = identity(layout, node.name);
  const name = (daemon: string) => `${node.name}.${daemon}`;
  const env = hostEnvironment(layout, node);
  const api = [wayToApi(layout)];
  return [
    {
      name: name("ovsdb-server"),
      namespace,
      env,
      prepare: () => createDatabase(join(node.folder, "conf.db"), schemas.openVswitch),
      command: [
        "ovsdb-server",
        join(node.folder, "conf.db"),
        `--remote=punix:${files.databaseSocket}`,
        ...ovsOptions(files.runFolder, "ovsdb-server"),
      ],
      ready: { kind: "socket", path: files.databaseSocket },
      after: [],
    },
    {
      name: name("ovs-vswitchd"),
      namespace,
      env,
      prepare: () => initialiseOpenVswitch(node, env),
      command: [
        "ovs-vswitchd",
        `unix:${files.databaseSocket}`,
        "--disable-system",
        ...ovsOptions(files.runFolder, "ovs-vswitchd"),
      ],
      ready: { kind: "file", path: join(files.runFolder, "ovs-vswitchd.pid") },
      after: [name("ovsdb-server")],
    },
    {
      name: name("ovn-controller"),
      namespace,
      env,
      command: [
        "ovn-controller",
        `unix:${files.databaseSocket}`,
        ...[`--private-key=${tls.key}`, `--certificate=${tls.cert}`, `--ca-cert=${tls.ca}`],
        ...ovsOptions(files.runFolder, "ovn-controller"),
      ],
      ready: { kind: "file", path: join(files.runFolder, "ovn-controller.pid") },
      after: [name("ovs-vswitchd"), "southbound"],
      // Alone, a new vswitchd forwards nothing until ovn-controller's own backoff of up to 8 s has passed.
      restartsWith: [name("ovs-vswitchd")],
    },
    {
      name: name("agent"),
      namespace,
      env,
      prepare: () => mkdir(files.cniConfFolder, { recursive: true }).then(() => undefined),
      command: [
        launcher(layout, "agent"),
        ...["--kubeconfig", files.kubeconfig, "--node", node.name],
        ...["--ovs-db", `unix:${files.databaseSocket}`, "--ovs-rundir", files.runFolder],
        ...[
          "--cni-socket",
          files.cniSocket,
          "--cni-conf-dir",
          files.cniConfFolder,
          "--cni-bin-dir",
          files.cniBinFolder,
        ],
        ...["--ovn-remote", centralEndpoint(layout, ports.southbound), "--encap-ip", node.addresses[0] ?? ""],
        ...["--datapath", "netdev", "--uplink", "eth0", "--metrics-bind-address", "127.0.0.1:9441"],
      ],
      ready: { kind: "socket", path: files.cniSocket },
      after: [name("ovs-vswitchd"), ...api],
    },
    {
      name: name("kubelet"),
      namespace,
      env,
      command: [...program("lab/kubelet/main.ts"), "--lab", layout.folder, "--node", node.name],
      ready: { kind: "socket", path: paths(layout.folder).controlSocket(node) },
      after: api,
    },
  ];
}

/** What Debian's `ovs-ctl start` does: the root row, the host's name and the system's identity. */
async function initialiseOpenVswitch(node: Host, env: Readonly<Record<string, string>>): Promise<void> {
  await run(
    ["ovs-vsctl", "--no-wait", "--timeout=10", "init", "--", "set", "Open_vSwitch", "."].concat([
      ...[`external_ids:system-id=${node.name}`, `external_ids:hostname=${node.name}`],
      // This vswitchd has the userspace datapath only, and ovn-controller makes br-int as soon as it starts.
      "external_ids:ovn-bridge-datapath-type=netdev",
      // On a loaded machine a probe every 5 s ends sessions that are merely slow.
      "external_ids:ovn-remote-probe-interval=30000",
    ]),
    { env },
  );
}
