import { isIP } from "node:net";
import type { NodeChassisAnnotation } from "@ovenbird/kube";
import { formatAddress, parseAddressWithPrefix } from "../ipam/address.ts";
import { firstGatewayOffset } from "../ipam/block.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { Bundle } from "./desired.ts";
import { gatewayNetworks } from "./hub.ts";
import { gatewaysGroup, groupRow, nodeGatewayGroup } from "./load-balancer-groups.ts";
import {
  defaultTenant,
  externalLocalnet,
  externalSwitch,
  externalToGateway,
  gatewayRouter,
  gatewayToExternal,
  gatewayToJoin,
  joinToGateway,
  tenantToJoin,
} from "./names.ts";
import { nodeOwner } from "./node-owner.ts";
import { macOnJoin, type NodeFamily, type NodeTopology, nodeFamilies } from "./node-topology.ts";
import { desiredRow } from "./owner.ts";
import { anywhere, members, policyRow, routeRow } from "./router-rows.ts";
import type { HubTenancy } from "./tenancy.ts";
import { joinSwitchUuid, tenantRouterUuid } from "./tenant-router.ts";

type Gateway = NonNullable<NodeChassisAnnotation["gateway"]>;

/** The host's own connections use ports up to 60999, so that both can share the node's address without conntrack. */
const snatPortRange = "61000-65535";

/** The node's first address of each family on the gateway bridge: what pods' connections get as their source. */
function nodeAddress({ addresses }: Gateway, family: 4 | 6): string | undefined {
  for (const text of addresses) {
    const parsed = parseAddressWithPrefix(text);
    if (parsed?.family === family) return formatAddress(parsed);
  }
  return undefined;
}

/** Between the tenant router and the gateway router. */
function joinSide(network: NetworkConfig, { name, block }: NodeTopology, families: readonly NodeFamily[]) {
  const owner = nodeOwner(name);
  const routerPort = desiredRow("Logical_Router_Port", owner, "gateway.join", {
    name: gatewayToJoin(name),
    mac: macOnJoin(network, firstGatewayOffset + block),
    networks: families.map(({ gatewayOnJoin, joinPrefixLength }) => `${gatewayOnJoin}/${joinPrefixLength}`),
  });
  const switchPort = desiredRow("Logical_Switch_Port", owner, "gateway.join", {
    name: joinToGateway(name),
    type: "router",
    addresses: ["router"],
    options: { "router-port": gatewayToJoin(name) },
  });
  // By source: what leaves the cluster leaves through the gateway of the pod's own node.
  const out = families.map(({ family, block: pods, gatewayOnJoin }) =>
    desiredRow("Logical_Router_Static_Route", owner, `out.ipv${family}`, {
      ip_prefix: pods,
      nexthop: gatewayOnJoin,
      policy: "src-ip",
      output_port: tenantToJoin(defaultTenant),
    }),
  );
  // Answers to load-balanced connections, whose source the gateway router has made its own: the route by source, which has
  // the longer prefix, would else take them to the gateway of the backend's node.
  const reach = families.map(({ family, gatewayOnJoin }) =>
    desiredRow("Logical_Router_Static_Route", owner, `reach.ipv${family}`, {
      ip_prefix: `${gatewayOnJoin}/${family === 4 ? 32 : 128}`,
      nexthop: gatewayOnJoin,
      policy: "dst-ip",
      output_port: tenantToJoin(defaultTenant),
    }),
  );
  const back = families.map(({ family, cluster, tenantOnJoin }) =>
    desiredRow("Logical_Router_Static_Route", owner, `back.ipv${family}`, {
      ip_prefix: cluster,
      nexthop: tenantOnJoin,
      policy: "dst-ip",
      output_port: gatewayToJoin(name),
    }),
  );
  // A pod that sends to an address of the cluster that no node has would else go round between the two routers. What was
  // translated here, or back, was sent to another address: a load balancer's (loadBalancerSourceRanges), or the answer.
  const guards = families.map(({ family, cluster }) =>
    desiredRow("Logical_Router_Policy", owner, `loop.ipv${family}`, {
      priority: 1000,
      match: `inport == "${gatewayToJoin(name)}" && ip${family}.dst == ${cluster} && !ct.dnat && !ct.snat`,
      action: "drop",
    }),
  );
  return { routerPort, switchPort, out: [...out, ...reach], back, guards };
}

/** Between the gateway router and the node's uplink. */
function externalSide(
  network: NetworkConfig,
  { name }: NodeTopology,
  gateway: Gateway,
  families: readonly NodeFamily[],
) {
  const owner = nodeOwner(name);
  const routerPort = desiredRow("Logical_Router_Port", owner, "gateway.external", {
    name: gatewayToExternal(name),
    mac: gateway.mac,
    networks: [...new Set(gateway.addresses)].sort(),
    // What is too large for a pod's interface is answered by "fragmentation needed"; it would else be lost in silence.
    options: { gateway_mtu: String(network.mtuBytes) },
  });
  const switchPort = desiredRow("Logical_Switch_Port", owner, "external.router", {
    name: externalToGateway(name),
    type: "router",
    addresses: ["router"],
    options: {
      "router-port": gatewayToExternal(name),
      "nat-addresses": "router",
      // Every node would announce services' addresses as its own; the agents agree on one that does.
      "exclude-lb-vips-from-garp": "true",
    },
  });
  const localnet = desiredRow("Logical_Switch_Port", owner, "external.localnet", {
    name: externalLocalnet(name),
    type: "localnet",
    addresses: ["unknown"],
    options: { network_name: gateway.physicalNetwork },
  });
  const routes = families.flatMap(({ family }) => {
    const nextHop = gateway.nextHops.find((address) => isIP(address) === family);
    if (nextHop === undefined) return [];
    return desiredRow("Logical_Router_Static_Route", owner, `default.ipv${family}`, {
      ip_prefix: anywhere[family],
      nexthop: nextHop,
      policy: "dst-ip",
      output_port: gatewayToExternal(name),
    });
  });
  const translations = families.flatMap(({ family, block }) => {
    const address = nodeAddress(gateway, family);
    if (address === undefined) return [];
    return desiredRow("NAT", owner, `snat.ipv${family}`, {
      type: "snat",
      external_ip: address,
      logical_ip: block,
      external_port_range: snatPortRange,
    });
  });
  return { routerPort, switchPort, localnet, routes, translations };
}

/** The way back to subnets' pods, and whose packets get the node's address. */
function subnetsSide(network: NetworkConfig, { name, block }: NodeTopology, gateway: Gateway, hub: HubTenancy) {
  const owner = nodeOwner(name);
  const families = nodeFamilies(network, block);
  const networks = gatewayNetworks(network, hub);
  const routes = networks.flatMap(({ family, cidr }) => {
    const nextHop = families.find((candidate) => candidate.family === family)?.tenantOnJoin;
    if (nextHop === undefined) return [];
    return routeRow(owner, `back.${cidr}`, { destination: cidr, nextHop, port: gatewayToJoin(name) });
  });
  const guards = networks.map(({ family, cidr }) =>
    policyRow(owner, `loop.${cidr}`, {
      priority: 1000,
      match: `inport == "${gatewayToJoin(name)}" && ip${family}.dst == ${cidr} && !ct.dnat && !ct.snat`,
      action: "drop",
    }),
  );
  const translations = networks.flatMap(({ family, cidr, translated }) => {
    const address = translated ? nodeAddress(gateway, family) : undefined;
    if (address === undefined) return [];
    return desiredRow("NAT", owner, `snat.${cidr}`, {
      type: "snat",
      external_ip: address,
      logical_ip: cidr,
      external_port_range: snatPortRange,
    });
  });
  return { routes, guards, translations };
}

/**
 * The node's way out: a gateway router bound to its chassis, on the join switch on one side and on a switch with the
 * node's physical network on the other, where it shares the node's addresses and hardware address with the host.
 */
export function gatewayRouterBundle(
  network: NetworkConfig,
  topology: NodeTopology,
  systemId: string,
  gateway: Gateway,
  hub?: HubTenancy,
): Bundle {
  const { name, block } = topology;
  const owner = nodeOwner(name);
  const families = nodeFamilies(network, block);
  const join = joinSide(network, topology, families);
  const external = externalSide(network, topology, gateway, families);
  const router = desiredRow("Logical_Router", owner, "gateway", {
    name: gatewayRouter(name),
    options: {
      always_learn_from_arp_request: "false",
      chassis: systemId,
      // Without it each gateway router would have flows for all the others on the join switch: nodes² of them.
      dynamic_neigh_routers: "true",
      // The backend may be on another node, whose own gateway would answer the client: replies have to come back here.
      lb_force_snat_ip: "router_ip",
    },
  });
  const externalRow = desiredRow("Logical_Switch", owner, "external", { name: externalSwitch(name) });
  const group = nodeGatewayGroup(name);
  const subnets = hub === undefined ? undefined : subnetsSide(network, topology, gateway, hub);
  const routes = [...join.back, ...external.routes, ...(subnets?.routes ?? [])];
  const guards = [...join.guards, ...(subnets?.guards ?? [])];
  const translations = [...external.translations, ...(subnets?.translations ?? [])];
  return {
    rows: [
      router,
      groupRow(group),
      externalRow,
      join.routerPort,
      join.switchPort,
      ...join.out,
      ...guards,
      external.routerPort,
      external.switchPort,
      external.localnet,
      ...routes,
      ...translations,
    ],
    memberships: [
      ...members("Logical_Router", router.uuid, "ports", [join.routerPort, external.routerPort]),
      ...members("Logical_Switch", joinSwitchUuid, "ports", [join.switchPort]),
      ...members("Logical_Switch", externalRow.uuid, "ports", [external.switchPort, external.localnet]),
      ...members("Logical_Router", tenantRouterUuid, "static_routes", join.out),
      ...members("Logical_Router", router.uuid, "static_routes", routes),
      ...members("Logical_Router", router.uuid, "policies", guards),
      ...members("Logical_Router", router.uuid, "load_balancer_group", [gatewaysGroup, group]),
      ...members("Logical_Router", router.uuid, "nat", translations),
    ],
  };
}
