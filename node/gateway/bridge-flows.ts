import { isIP } from "node:net";
import { type BridgeServices, serviceFlows } from "./service-flows.ts";

/**
 * The OpenFlow table of the gateway bridge, on which the host and the node's gateway router share one hardware address
 * and the node's IP addresses. What decides is who began a connection: OVN's outgoing connections are committed to a
 * connection tracking zone of their own, and replies that belong to one of them go back to OVN; everything else that is
 * for the node goes to the host, whose own traffic is never tracked.
 *
 * The host must stay out of connection tracking: with the userspace datapath vswitchd aborts when host traffic looks up
 * a zone with overlapping NAT tuples. Its ports (32768–60999) and those of SNAT (61000–65535) are parted for the same
 * reason.
 */

/** OVN's tunnels: Geneve's assigned port (RFC 8926 section 3.3). */
const genevePort = 6081;
/** Far from the zones that ovn-controller numbers from 1 on. */
const zone = 64_000;
/** Marks connections that OVN began. */
const ovnMark = 1;
/**
 * The hardware addresses of routers that have addresses of their own on the nodes' network (EgressIP, FloatingIP): the controller
 * gives them all this beginning.
 */
const outletMacs = "0a:e6:00:00:00:00/ff:fe:00:00:00:00";

export interface BridgeFlowInputs {
  /** OpenFlow port of the uplink. */
  readonly uplinkPort: number;
  /** OpenFlow port of the patch to the integration bridge; undefined until ovn-controller has made it. */
  readonly patchPort: number | undefined;
  /** OpenFlow port of the patch to the switch of routers that have addresses of their own here; absent while there are none. */
  readonly outletPort?: number | undefined;
  /** Networks of pods that come in by this bridge and leave by it untranslated. */
  readonly routed?: readonly string[];
  /** The hardware address that host and gateway router share. */
  readonly mac: string;
  /** The node's own addresses on the bridge without prefix lengths, link-local ones too. */
  readonly nodeAddresses: readonly string[];
  readonly services: BridgeServices;
}

/** One flow: `ovs-ofctl`'s text is made of it, and a test or a person can read it. */
export interface BridgeFlow {
  readonly table: number;
  readonly priority: number;
  readonly match: string;
  readonly actions: string;
}

const ipFamilies = ["ip", "ipv6"] as const;

/** The whole table, in descending priority. Without a patch port everything is between uplink and host. */
export function bridgeFlows(inputs: BridgeFlowInputs): readonly BridgeFlow[] {
  const {
    uplinkPort: uplink,
    patchPort: patch,
    outletPort: outlet,
    routed = [],
    mac,
    nodeAddresses,
    services,
  } = inputs;
  const patches = [patch, outlet].flatMap((port) => (port === undefined ? [] : [`output:${port}`]));
  const insidePorts = patch === undefined ? ["LOCAL"] : ["LOCAL", `${patch}`];
  const everyone = ["LOCAL", ...patches].join(",");
  // What is at home on this node has to be met here: no frame comes back from the wire.
  const outside = outlet === undefined ? `output:${uplink}` : `output:${uplink},output:${outlet}`;
  const arrivals = outlet === undefined ? [uplink] : [uplink, outlet];
  const flows: BridgeFlow[] = [];
  const add = (priority: number, match: string, actions: string, table = 0) =>
    flows.push({ table, priority, match, actions });

  // Provider networks that share the bridge have VLANs; neither the host nor the gateway router knows any.
  add(310, "vlan_tci=0x1000/0x1000", "NORMAL");

  // Tunnels end in the host's address: the datapath takes them out of, and puts them into, the local port.
  for (const family of ["udp", "udp6"]) {
    add(300, `${family},in_port=${uplink},tp_dst=${genevePort}`, "LOCAL");
    add(300, `${family},in_port=LOCAL,tp_dst=${genevePort}`, `output:${uplink}`);
  }

  // Only the host answers for the node's addresses; replies and announcements are for both.
  for (const address of nodeAddresses) {
    for (const from of arrivals) {
      if (isIP(address) === 4) add(200, `arp,in_port=${from},arp_op=1,arp_tpa=${address}`, "LOCAL");
      else add(200, `icmp6,in_port=${from},icmp_type=135,icmp_code=0,nd_target=${address}`, "LOCAL");
    }
  }
  for (const neighbour of ["arp", "icmp6,icmp_type=135,icmp_code=0", "icmp6,icmp_type=136,icmp_code=0"]) {
    add(190, `${neighbour},in_port=${uplink}`, everyone);
    for (const inside of insidePorts) add(190, `${neighbour},in_port=${inside}`, outside);
    if (outlet !== undefined) {
      const hosts = patch === undefined ? "LOCAL" : `LOCAL,output:${patch}`;
      add(190, `${neighbour},in_port=${outlet}`, `${hosts},output:${uplink}`);
    }
  }

  if (patch !== undefined) {
    for (const flow of serviceFlows(services, { uplink, patch, ownAddresses: nodeAddresses })) flows.push(flow);
    for (const cidr of routed) {
      const [family, source, destination] = cidr.includes(":")
        ? (["ipv6", "ipv6_src", "ipv6_dst"] as const)
        : (["ip", "nw_src", "nw_dst"] as const);
      add(140, `${family},in_port=${uplink},dl_dst=${mac},${destination}=${cidr}`, `output:${patch}`);
      add(140, `${family},in_port=${patch},${source}=${cidr}`, `output:${uplink}`);
      if (outlet !== undefined) add(141, `${family},in_port=${patch},${source}=${cidr},dl_dst=${outletMacs}`, outside);
    }
    const commit = `ct(commit,zone=${zone},exec(set_field:${ovnMark}->ct_mark))`;
    for (const family of ipFamilies) {
      add(100, `${family},in_port=${patch}`, `${commit},output:${uplink}`);
      if (outlet !== undefined) add(101, `${family},in_port=${patch},dl_dst=${outletMacs}`, `${commit},${outside}`);
    }
    for (const address of nodeAddresses) {
      const [family, field] = isIP(address) === 4 ? ["ip", "nw_dst"] : ["ipv6", "ipv6_dst"];
      for (const from of arrivals)
        add(100, `${family},in_port=${from},${field}=${address}`, `ct(zone=${zone},table=1)`);
    }
    add(100, `ct_mark=${ovnMark}`, `output:${patch}`, 1);
    add(0, "", "LOCAL", 1);
  }
  if (outlet !== undefined) {
    // Whether the router is at work on this node, OVN knows; elsewhere it drops the frame.
    add(96, `in_port=LOCAL,dl_dst=${outletMacs}`, outside);
    add(95, `in_port=${uplink},dl_dst=${outletMacs}`, `output:${outlet}`);
    add(95, `in_port=${outlet},dl_dst=${mac}`, "LOCAL");
    add(90, `in_port=${outlet}`, `output:${uplink}`);
  }
  add(90, "in_port=LOCAL", `output:${uplink}`);
  add(80, `in_port=${uplink},dl_dst=${mac}`, "LOCAL");
  add(0, "", "NORMAL");
  return flows.sort((a, b) => a.table - b.table || b.priority - a.priority);
}

/** What tells one flow of a table from another, in the syntax of ovs-ofctl(8). */
export function flowKey({ table, priority, match }: BridgeFlow): string {
  return match ? `table=${table},priority=${priority},${match}` : `table=${table},priority=${priority}`;
}

/** The flows in the syntax of ovs-ofctl(8), one a line. */
export function flowText(flows: readonly BridgeFlow[]): string {
  return flows.map((flow) => `${flowKey(flow)},actions=${flow.actions}\n`).join("");
}
