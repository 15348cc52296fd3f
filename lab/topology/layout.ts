import { join } from "node:path";
import { z } from "zod";

/** What `lab up` was asked for; kept as `config.json` in the state folder so that every later command agrees with it. */
export const labConfig = z.object({
  name: z
    .string()
    .regex(
      /^[a-z](?:[a-z0-9-]{0,13}[a-z0-9])?$/,
      "a lab's name is 1 to 15 lower-case letters, digits and dashes, and begins with a letter",
    ),
  nodes: z.int().min(1).max(50),
  families: z
    .array(z.enum(["ipv4", "ipv6"]))
    .min(1)
    .max(2),
  /** A kubeconfig file of a real cluster whose API is used instead of the embedded one. */
  kubeconfig: z.string().optional(),
  /** `host:port` of that API. */
  apiServer: z.string().optional(),
  /** The 127.0.0.1 port of the user's kubeconfig; chosen at the first `up`. */
  apiPort: z.int().min(1).max(65_535),
  demoPods: z.boolean(),
  /** Zones that the nodes get in turn; none by default. */
  zones: z.array(z.string().regex(/^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/)).default([]),
  /** Whether the nodes have two more links each, to a switch that knows VLANs; see `Trunk`. */
  trunk: z.boolean().default(false),
});
export type LabConfig = z.infer<typeof labConfig>;
export type Family = LabConfig["families"][number];

/** The folder that holds one folder per lab. */
export function stateParent(): string {
  return process.env.OVENBIRD_LAB_STATE_DIR ?? "/var/lib/ovenbird-lab";
}

/** Where the lab `name` keeps everything that it writes. */
export function stateFolder(name: string): string {
  return join(stateParent(), name);
}

/** `ob-<name>-`: what the names of all network namespaces of a lab begin with. */
export function namespacePrefix(name: string): string {
  return `ob-${name}-`;
}

/** A network namespace as a path, as CNI and nsenter want it. */
export function namespacePath(namespace: string): string {
  return `/run/netns/${namespace}`;
}

export interface Host {
  readonly name: string;
  /** Its network namespace's name. */
  readonly namespace: string;
  /** Its underlay addresses without prefix lengths, IPv4 first. */
  readonly addresses: readonly string[];
  /** Where its daemons' sockets, databases and files lie. */
  readonly folder: string;
}

/** A host that is on one VLAN and nowhere else; its default gateway is `outside`. */
export interface VlanHost extends Host {
  readonly vlan: number;
  /** The addresses of `outside` on that VLAN, in the order of `addresses`. */
  readonly gateways: readonly string[];
}

/**
 * A second machine room: `eth1` and `eth2` of each node lead to a switch that carries what is not tagged and some VLANs.
 * On what is not tagged each node has an address on `eth1`; on the VLANs there are hosts. `outside` is the router of all.
 */
export interface Trunk {
  /** The nodes' addresses on `eth1`, in the order of the nodes; prefix lengths are `prefixLengths`. */
  readonly nodeAddresses: readonly (readonly string[])[];
  /** Those of `outside` on what is not tagged. */
  readonly outsideAddresses: readonly string[];
  readonly hosts: readonly VlanHost[];
  /** Of all networks on it, in the order of the families. */
  readonly prefixLengths: readonly number[];
  /** Where the switch's own daemons' files lie. */
  readonly folder: string;
}

export interface Layout {
  readonly config: LabConfig;
  readonly folder: string;
  readonly underlay: string;
  readonly central: Host;
  /** The world outside the cluster, and the nodes' default gateway. */
  readonly outside: Host & { readonly internet: readonly string[] };
  readonly nodes: readonly Host[];
  readonly trunk: Trunk | undefined;
  readonly prefixLengths: readonly number[];
  readonly clusterCidrs: readonly string[];
  readonly joinCidrs: readonly string[];
  readonly serviceCidrs: readonly string[];
  /** Cluster addresses of the services `kubernetes` and `kube-dns`, one per family. */
  readonly apiServiceAddresses: readonly string[];
  readonly dnsServiceAddresses: readonly string[];
  readonly nodePrefixes: readonly string[];
}

const byFamily = {
  ipv4: {
    host: (number: number) => `172.18.${number >> 8}.${number & 255}`,
    prefixLength: 16,
    data: (number: number) => `172.19.0.${number}`,
    vlan: (tag: number, number: number) => `172.30.${tag}.${number}`,
    trunkPrefixLength: 24,
    internet: "203.0.113.10",
    clusterCidr: "10.244.0.0/16",
    joinCidr: "100.64.0.0/16",
    serviceCidr: "10.96.0.0/16",
    service: (number: number) => `10.96.0.${number}`,
    nodePrefix: "24",
  },
  ipv6: {
    host: (number: number) => `fd00:172:18::${number.toString(16)}`,
    prefixLength: 64,
    data: (number: number) => `fd00:172:19::${number.toString(16)}`,
    vlan: (tag: number, number: number) => `fd00:172:30:${tag}::${number.toString(16)}`,
    trunkPrefixLength: 64,
    internet: "2001:db8:113::10",
    clusterCidr: "fd00:10:244::/48",
    joinCidr: "fd98::/64",
    serviceCidr: "fd00:10:96::/112",
    service: (number: number) => `fd00:10:96::${number.toString(16)}`,
    nodePrefix: "64",
  },
} as const;

/** The VLANs on which there is a host. Each has networks of its own: 172.30.<tag>.0/24, fd00:172:30:<tag>::/64. */
const vlans = [100, 200] as const;
const vlanRouterNumber = 1;
const vlanHostNumber = 10;
const outsideNumber = 1;
const firstNodeNumber = 11;

/** A unix socket's path has room for 107 bytes; the longest of ours below the state folder takes about 50. */
const longestStateFolderBytes = 55;

/** Everything that follows from the configuration: names, addresses, folders. Pure. */
export function layoutOf(config: LabConfig, folder: string): Layout {
  if (Buffer.byteLength(folder) > longestStateFolderBytes)
    throw new Error(`the state folder ${folder} is too long for the unix sockets in it: set OVENBIRD_LAB_STATE_DIR`);
  const families = config.families.map((family) => byFamily[family]);
  const host = (name: string, number: number): Host => ({
    name,
    namespace: `${namespacePrefix(config.name)}${name}`,
    addresses: families.map((family) => family.host(number)),
    folder: join(folder, name),
  });
  return {
    config,
    folder,
    underlay: `${namespacePrefix(config.name)}underlay`,
    central: host("central", 2),
    outside: { ...host("outside", outsideNumber), internet: families.map((family) => family.internet) },
    nodes: Array.from({ length: config.nodes }, (_, index) => host(`node${index + 1}`, firstNodeNumber + index)),
    trunk: config.trunk ? trunkOf(config, folder) : undefined,
    prefixLengths: families.map((family) => family.prefixLength),
    clusterCidrs: families.map((family) => family.clusterCidr),
    joinCidrs: families.map((family) => family.joinCidr),
    serviceCidrs: families.map((family) => family.serviceCidr),
    apiServiceAddresses: families.map((family) => family.service(1)),
    dnsServiceAddresses: families.map((family) => family.service(10)),
    nodePrefixes: families.map((family) => family.nodePrefix),
  };
}

function trunkOf(config: LabConfig, folder: string): Trunk {
  const families = config.families.map((family) => byFamily[family]);
  return {
    nodeAddresses: Array.from({ length: config.nodes }, (_, index) =>
      families.map((family) => family.data(firstNodeNumber + index)),
    ),
    outsideAddresses: families.map((family) => family.data(outsideNumber)),
    hosts: vlans.map((vlan) => ({
      name: `vlan${vlan}`,
      namespace: `${namespacePrefix(config.name)}vlan${vlan}`,
      vlan,
      addresses: families.map((family) => family.vlan(vlan, vlanHostNumber)),
      gateways: families.map((family) => family.vlan(vlan, vlanRouterNumber)),
      folder: join(folder, `vlan${vlan}`),
    })),
    prefixLengths: families.map((family) => family.trunkPrefixLength),
    folder: join(folder, "switch"),
  };
}

/** The hosts that are not the cluster's and have a prober: the world outside, and those on VLANs. */
export function outsideHosts({ outside, trunk }: Layout): readonly Host[] {
  return [outside, ...(trunk?.hosts ?? [])];
}

/** The zone of a node: the zones are handed out in turn. */
export function zoneOf({ config, nodes }: Layout, node: Host): string | undefined {
  return config.zones[nodes.findIndex(({ name }) => name === node.name) % Math.max(1, config.zones.length)];
}

/** `host:port` with the brackets that IPv6 needs. */
export function hostPort(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

export const ports = { api: 6443, northbound: 6641, southbound: 6642 } as const;

/** Paths in the state folder that more than one part of the lab knows. */
export function paths(folder: string) {
  return {
    config: join(folder, "config.json"),
    supervisorSocket: join(folder, "supervisor.sock"),
    supervisorLog: join(folder, "logs", "supervisor.log"),
    apiSocket: join(folder, "api.sock"),
    kubeconfig: join(folder, "kubeconfig"),
    pki: join(folder, "pki"),
    pids: join(folder, "pids"),
    /** The agent and the controller, built for this lab. */
    programs: join(folder, "programs"),
    logs: join(folder, "logs"),
    /** What pods' own processes print, in files named after the pods' uids. */
    podLogs: join(folder, "logs", "pods"),
    /** Where the prober of a host (a node, or `outside`) takes requests. */
    controlSocket: (host: Host) => join(host.folder, "control.sock"),
  } as const;
}
