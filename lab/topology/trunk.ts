import type { Host, Layout } from "./layout.ts";

/** A link from a host to the switch of the trunk. */
export interface TrunkLink {
  readonly host: Host;
  /** Its name at the host. */
  readonly device: string;
  /** Its name at the switch, in the underlay's namespace. */
  readonly port: string;
  /** The VLAN whose frames it carries without a tag, 0 for what is not tagged; undefined: it carries all, as they are. */
  readonly tag: number | undefined;
  /** With prefix lengths. */
  readonly addresses: readonly string[];
  /** Where all else is sent to. */
  readonly gateways: readonly string[];
}

/** All links of the trunk; none where the lab has no trunk. */
export function trunkLinks({ trunk, nodes, outside }: Layout): readonly TrunkLink[] {
  if (trunk === undefined) return [];
  const withPrefix = (addresses: readonly string[]) =>
    addresses.map((address, index) => `${address}/${trunk.prefixLengths[index]}`);
  const link = (host: Host, device: string, rest: Partial<TrunkLink>): TrunkLink => ({
    ...{ host, device, port: `${host.name}-${device}`, tag: undefined, addresses: [], gateways: [] },
    ...rest,
  });
  return [
    ...nodes.flatMap((node, index) => [
      link(node, "eth1", { addresses: withPrefix(trunk.nodeAddresses[index] ?? []) }),
      link(node, "eth2", {}),
    ]),
    link(outside, "eth1", { tag: 0, addresses: withPrefix(trunk.outsideAddresses) }),
    ...trunk.hosts.flatMap((host) => [
      link(outside, host.name, { tag: host.vlan, addresses: withPrefix(host.gateways) }),
      link(host, "eth0", { tag: host.vlan, addresses: withPrefix(host.addresses), gateways: host.gateways }),
    ]),
  ];
}

/** The switch in the underlay's namespace: this kernel's own bridge may know no VLANs. */
export const trunkBridge = "trunk0";

/** What makes Open vSwitch that switch; bears repetition. */
export function trunkSwitchCommand(layout: Layout): readonly string[] {
  return [
    ...["ovs-vsctl", "--no-wait", "--timeout=10", "init"],
    ...["--", "--may-exist", "add-br", trunkBridge, "--", "set", "Bridge", trunkBridge, "datapath_type=netdev"],
    ...trunkLinks(layout).flatMap(({ port, tag }) => [
      ...["--", "--may-exist", "add-port", trunkBridge, port],
      ...(tag === undefined ? [] : ["--", "set", "Port", port, `tag=${tag}`, "vlan_mode=access"]),
    ]),
  ];
}

/**
 * Forgets, as switches do, where addresses are when a link goes or comes: Open vSwitch remembers. First its datapath's flows: what
 * they have counted is told later, and an address would be learnt anew where it was.
 */
export const forgetOnLinkChange = `ip -oneline monitor link | while read -r _; do
  ovs-appctl --timeout=5 revalidator/purge >/dev/null || exit 1
  ovs-appctl --timeout=5 fdb/flush ${trunkBridge} >/dev/null || exit 1
done`;
