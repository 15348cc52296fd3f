import { readdirSync } from "node:fs";
import { type Host, hostPort, type Layout, namespacePath, namespacePrefix } from "./layout.ts";
import { run } from "./run.ts";
import { type TrunkLink, trunkLinks } from "./trunk.ts";

/** The bridge in the underlay's namespace that stands for the switch in the machine room. */
const underlayBridge = "br0";

/** What stands behind a lab's prefix; the whole of it, since the namespaces of the lab `a-b` begin with `ob-a-` too. */
const namespaceEnding = /^(?:underlay|central|outside|vlan\d+|node\d+|pod-[0-9a-f]{12})$/;

/** The namespaces of the lab `name` that exist now, those of its pods included. */
export function existingNamespaces(name: string): string[] {
  const prefix = namespacePrefix(name);
  try {
    return readdirSync("/run/netns").filter(
      (entry) => entry.startsWith(prefix) && namespaceEnding.test(entry.slice(prefix.length)),
    );
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}

function hosts(layout: Layout): readonly Host[] {
  return [layout.central, layout.outside, ...layout.nodes];
}

function namespacesOf(layout: Layout): readonly string[] {
  return [layout.underlay, ...[...hosts(layout), ...(layout.trunk?.hosts ?? [])].map(({ namespace }) => namespace)];
}

/** Namespaces that `layout` wants and that do not exist. */
export function missingNamespaces(layout: Layout): string[] {
  const existing = new Set(existingNamespaces(layout.config.name));
  return namespacesOf(layout).filter((name) => !existing.has(name));
}

/**
 * Makes the underlay (a bridge in a namespace of its own) and one namespace per host with `eth0` on it.
 * Every link is born inside its namespace, so the root namespace never sees one.
 */
export async function buildNetwork(layout: Layout): Promise<void> {
  const missing = new Set(missingNamespaces(layout));
  if (missing.size === 0) return;
  const wanted = hosts(layout).filter((host) => missing.has(host.namespace));
  const trunk = trunkLinks(layout).filter(({ host }) => missing.has(host.namespace));
  const pair = (namespace: string, device: string, port: string) =>
    `link add name ${device} netns ${namespace} type veth peer name ${port} netns ${layout.underlay}`;
  await ipBatch([
    ...[...missing].map((namespace) => `netns add ${namespace}`),
    ...(missing.has(layout.underlay) ? [`link add name ${underlayBridge} netns ${layout.underlay} type bridge`] : []),
    ...wanted.map((host) => pair(host.namespace, "eth0", host.name)),
    ...trunk.map(({ host, device, port }) => pair(host.namespace, device, port)),
  ]);
  const trunkPorts = trunk.map(({ port }) => port);
  await configure(layout.underlay, {
    links: [
      `link set dev ${underlayBridge} type bridge stp_state 0 mcast_snooping 0`,
      `link set dev ${underlayBridge} up`,
      ...wanted.flatMap((host) => [
        `link set dev ${host.name} master ${underlayBridge}`,
        `link set dev ${host.name} up`,
      ]),
      ...trunkPorts.map((port) => `link set dev ${port} up`),
    ],
    withoutOffload: [underlayBridge, ...wanted.map((host) => host.name), ...trunkPorts],
    sysctls: ["ipv6.conf.all.disable_ipv6=1"],
  });
  const onTrunk = Map.groupBy(trunk, ({ host }) => host);
  await Promise.all(
    [...new Set([...wanted, ...onTrunk.keys()])].map((host) => configureHost(layout, host, onTrunk.get(host) ?? [])),
  );
}

function configureHost(layout: Layout, host: Host, trunk: readonly TrunkLink[]): Promise<void> {
  const isOutside = host === layout.outside;
  const isOnUnderlay = hosts(layout).includes(host);
  return configure(host.namespace, {
    links: [
      "link set dev lo up",
      ...(isOnUnderlay
        ? [
            "link set dev eth0 up",
            ...host.addresses.map(
              (address, index) => `address add ${address}/${layout.prefixLengths[index]} dev eth0 ${quick(address)}`,
            ),
            ...(isOutside
              ? layout.outside.internet.map((address) => `address add ${address} dev lo ${quick(address)}`)
              : layout.outside.addresses.map((gateway) => `route add default via ${gateway} dev eth0`)),
          ]
        : []),
      ...trunk.flatMap(({ device, addresses, gateways }) => [
        `link set dev ${device} up`,
        ...addresses.map((address) => `address add ${address} dev ${device} ${quick(address)}`),
        ...gateways.map((gateway) => `route add default via ${gateway} dev ${device}`),
      ]),
    ],
    withoutOffload: [...(isOnUnderlay ? ["eth0"] : []), ...trunk.map(({ device }) => device)],
    sysctls: [
      ...["ipv6.conf.all.accept_ra=0", "ipv6.conf.default.accept_ra=0", "ipv4.ping_group_range=0 2147483647"],
      ...(isOutside && trunk.length > 0 ? ["ipv4.ip_forward=1", "ipv6.conf.all.forwarding=1"] : []),
    ],
  });
}

/** Duplicate address detection would hold an IPv6 address back for a second. */
function quick(address: string): string {
  return address.includes(":") ? "nodad" : "";
}

async function configure(
  namespace: string,
  wanted: {
    readonly links: readonly string[];
    readonly withoutOffload: readonly string[];
    readonly sysctls: readonly string[];
  },
): Promise<void> {
  const sysctls = wanted.sysctls.map((sysctl) => {
    const [key = "", value = ""] = sysctl.split("=");
    return `echo "${value}" >/proc/sys/net/${key.replaceAll(".", "/")}`;
  });
  // The userspace datapath does not complete checksums that the kernel left for the hardware to fill in.
  const offload = wanted.withoutOffload.map((device) => `ethtool -K ${device} tx off`);
  // One process that forks costs less than many that we start.
  const script = ["set -e", ...sysctls, "ip -batch -", ...offload].join("\n");
  await run(["nsenter", `--net=${namespacePath(namespace)}`, "sh", "-c", script], { input: lines(wanted.links) });
}

async function ipBatch(commands: readonly string[]): Promise<void> {
  await run(["ip", "-batch", "-"], { input: lines(commands) });
}

function lines(commands: readonly string[]): string {
  return commands.map((command) => `${command}\n`).join("");
}

/** OVSDB endpoints of a database on the central host: `ssl:ADDRESS:PORT`, the first family only (they are one server). */
export function centralEndpoint(layout: Layout, port: number): string {
  return `ssl:${hostPort(layout.central.addresses[0] ?? "", port)}`;
}
