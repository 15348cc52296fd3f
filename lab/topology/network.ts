import { readdirSync } from "node:fs";
import { type Host, hostPort, type Layout, namespacePath, namespacePrefix } from "./layout.ts";
import { run } from "./run.ts";

/** The bridge in the underlay's namespace that stands for the switch in the machine room. */
const underlayBridge = "br0";

/** What stands behind a lab's prefix; the whole of it, since the namespaces of the lab `a-b` begin with `ob-a-` too. */
const namespaceEnding = /^(?:underlay|central|outside|node\d+|pod-[0-9a-f]{12})$/;

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

/** Namespaces that `layout` wants and that do not exist. */
export function missingNamespaces(layout: Layout): string[] {
  const existing = new Set(existingNamespaces(layout.config.name));
  return [layout.underlay, ...hosts(layout).map((host) => host.namespace)].filter((name) => !existing.has(name));
}

/**
 * Makes the underlay (a bridge in a namespace of its own) and one namespace per host with `eth0` on it.
 * Every link is born inside its namespace, so the root namespace never sees one.
 */
export async function buildNetwork(layout: Layout): Promise<void> {
  const missing = new Set(missingNamespaces(layout));
  if (missing.size === 0) return;
  const wanted = hosts(layout).filter((host) => missing.has(host.namespace));
  await ipBatch(undefined, [
    ...[...missing].map((namespace) => `netns add ${namespace}`),
    ...(missing.has(layout.underlay) ? [`link add name ${underlayBridge} netns ${layout.underlay} type bridge`] : []),
    ...wanted.map(
      (host) => `link add name eth0 netns ${host.namespace} type veth peer name ${host.name} netns ${layout.underlay}`,
    ),
  ]);
  await configure(layout.underlay, {
    links: [
      `link set dev ${underlayBridge} type bridge stp_state 0 mcast_snooping 0`,
      `link set dev ${underlayBridge} up`,
      ...wanted.flatMap((host) => [
        `link set dev ${host.name} master ${underlayBridge}`,
        `link set dev ${host.name} up`,
      ]),
    ],
    withoutOffload: [underlayBridge, ...wanted.map((host) => host.name)],
    sysctls: ["ipv6.conf.all.disable_ipv6=1"],
  });
  await Promise.all(wanted.map((host) => configureHost(layout, host)));
}

function configureHost(layout: Layout, host: Host): Promise<void> {
  const isOutside = host.name === layout.outside.name;
  return configure(host.namespace, {
    links: [
      "link set dev lo up",
      "link set dev eth0 up",
      ...host.addresses.map(
        (address, index) => `address add ${address}/${layout.prefixLengths[index]} dev eth0 ${quick(address)}`,
      ),
      ...(isOutside
        ? layout.outside.internet.map((address) => `address add ${address} dev lo ${quick(address)}`)
        : layout.outside.addresses.map((gateway) => `route add default via ${gateway} dev eth0`)),
    ],
    withoutOffload: ["eth0"],
    sysctls: ["ipv6.conf.all.accept_ra=0", "ipv6.conf.default.accept_ra=0", "ipv4.ping_group_range=0 2147483647"],
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
  for (const sysctl of wanted.sysctls) {
    const [key = "", value = ""] = sysctl.split("=");
    await run(["nsenter", `--net=${namespacePath(namespace)}`, "tee", `/proc/sys/net/${key.replaceAll(".", "/")}`], {
      input: value,
    });
  }
  await ipBatch(namespace, wanted.links);
  // The userspace datapath does not complete checksums that the kernel left for the hardware to fill in.
  for (const device of wanted.withoutOffload)
    await run(["nsenter", `--net=${namespacePath(namespace)}`, "ethtool", "-K", device, "tx", "off"]);
}

async function ipBatch(namespace: string | undefined, lines: readonly string[]): Promise<void> {
  await run(["ip", ...(namespace === undefined ? [] : ["-n", namespace]), "-batch", "-"], {
    input: `${lines.join("\n")}\n`,
  });
}

/** OVSDB endpoints of a database on the central host: `ssl:ADDRESS:PORT`, the first family only (they are one server). */
export function centralEndpoint(layout: Layout, port: number): string {
  return `ssl:${hostPort(layout.central.addresses[0] ?? "", port)}`;
}
