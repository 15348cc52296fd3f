import { isIP } from "node:net";
import type { NodeNetworkAnnotation } from "@ovenbird/kube";
import {
  addRule,
  canonicalPrefix,
  deleteRoute,
  deleteRule,
  type Link,
  listRoutes,
  listRules,
  localTable,
  type Route,
  type RouteSocket,
  type Rule,
  replaceRoute,
  ruleKey,
} from "../netlink/index.ts";

/** What the host has to send to OVN beside the networks that the controller names, so that it reaches Services. */
export interface HostServices {
  /** The node's own addresses on its gateway bridge, at which its NodePorts are. */
  readonly ownAddresses: readonly string[];
  /** Health check ports: of the NodePorts' range, and yet the host's. */
  readonly healthCheckPorts: readonly number[];
  /** External addresses that belong to Services as a whole. */
  readonly routedAddresses: readonly string[];
  /** Ports of Services at addresses that are nodes' or routers': only they may be taken from the host's way there. */
  readonly takenPorts: readonly {
    readonly address: string;
    readonly protocol: "tcp" | "udp" | "sctp";
    readonly port: number;
  }[];
}

/** The routing table that leads everything to OVN; none of those that distributions use. */
export const ovnTable = 9099;

/**
 * Priorities of rules. The kernel asks its table of local addresses first (0), which would keep NodePorts at the node's
 * own addresses with the host: it is asked after ours instead.
 */
const priorities = { healthCheck: 90, takenPort: 95, nodePorts: 100, local: 200, replies: 32_000 } as const;
const kernelLocalPriority = 0;
const protocols = ["tcp", "udp", "sctp"] as const;

/** The rules that the node wants, the kernel's table of local addresses included where it has to move. */
export function wantedRules(network: NodeNetworkAnnotation, services: HostServices): readonly Rule[] {
  const rules: Rule[] = [];
  for (const management of network.managementPort.addresses.map(withoutPrefix)) {
    const family = familyName(management);
    const early: Rule[] = [];
    const fromHost = { family, incomingLink: "lo" } as const;
    const own = services.ownAddresses.filter((address) => familyName(address) === family);
    if (network.nodePorts && own.length > 0) {
      for (const port of services.healthCheckPorts) {
        const destinationPorts = { first: port, last: port };
        const priority = priorities.healthCheck;
        early.push({ ...fromHost, priority, table: localTable, protocol: "tcp", destinationPorts });
      }
      for (const destination of own.map(hostPrefix)) {
        for (const protocol of protocols) {
          const { first, last } = network.nodePorts;
          const destinationPorts = { first, last };
          early.push({
            ...fromHost,
            priority: priorities.nodePorts,
            table: ovnTable,
            destination,
            protocol,
            destinationPorts,
          });
        }
      }
    }
    for (const { address, protocol, port } of services.takenPorts) {
      if (familyName(address) !== family) continue;
      const [destination, destinationPorts] = [hostPrefix(address), { first: port, last: port }];
      const priority = priorities.takenPort;
      early.push({ ...fromHost, priority, table: ovnTable, destination, protocol, destinationPorts });
    }
    if (early.length > 0) rules.push(...early, { family, priority: priorities.local, table: localTable });
    // Backends in the host's network answer from the management address, back the way that the request came.
    rules.push({ family, priority: priorities.replies, table: ovnTable, source: hostPrefix(management) });
  }
  return rules;
}

/** The routes of the table that leads to OVN. */
function wantedRoutes(network: NodeNetworkAnnotation, link: string): readonly Route[] {
  const { addresses, gateways } = network.managementPort;
  return addresses.map(withoutPrefix).flatMap((source) => {
    const gateway = gateways.find((candidate) => isIP(candidate) === isIP(source));
    const destination = isIP(source) === 6 ? "::/0" : "0.0.0.0/0";
    return gateway === undefined ? [] : [{ destination, gateway, source, link, table: ovnTable }];
  });
}

/**
 * Brings rules and the table that leads to OVN to what is wanted; idempotent.
 * @param services undefined = not known yet: the table is filled, and rules stay as they are
 */
export function applyPolicyRouting(
  socket: RouteSocket,
  link: Link,
  network: NodeNetworkAnnotation,
  services: HostServices | undefined,
): void {
  const present = listRoutes(socket, ovnTable);
  for (const route of wantedRoutes(network, link.name)) {
    const same = present.find(({ destination }) => destination === route.destination);
    const isRight =
      same?.linkIndex === link.index &&
      same.gateway !== undefined &&
      canonicalPrefix(same.gateway) === canonicalPrefix(route.gateway ?? "") &&
      (same.source === undefined || canonicalPrefix(same.source) === canonicalPrefix(route.source ?? ""));
    if (isRight) continue;
    if (same !== undefined) deleteRoute(socket, { destination: same.destination, table: ovnTable });
    replaceRoute(socket, route);
  }
  if (services === undefined) return;
  applyRules(socket, wantedRules(network, services));
}

function applyRules(socket: RouteSocket, wanted: readonly Rule[]): void {
  const rules = listRules(socket);
  const present = new Set(rules.map(ruleKey));
  const wantedKeys = new Set(wanted.map(ruleKey));
  // At every moment one rule leads to the local addresses: it is added at its new place before it goes from the old one.
  const isMove = ({ table, priority }: Rule) => table === localTable && priority === priorities.local;
  const missing = wanted.filter((rule) => !present.has(ruleKey(rule)));
  for (const rule of missing.filter(isMove)) addRule(socket, rule);
  for (const family of ["ipv4", "ipv6"] as const) {
    const kernels: Rule = { family, priority: kernelLocalPriority, table: localTable };
    const moved: Rule = { family, priority: priorities.local, table: localTable };
    if (wantedKeys.has(ruleKey(moved))) {
      if (present.has(ruleKey(kernels))) deleteRule(socket, kernels);
    } else if (present.has(ruleKey(moved))) addRule(socket, kernels);
  }
  for (const rule of missing) if (!isMove(rule)) addRule(socket, rule);
  for (const rule of rules) if (isOurs(rule) && !wantedKeys.has(ruleKey(rule))) deleteRule(socket, rule);
}

function isOurs({ table, priority }: Rule): boolean {
  if (table === ovnTable) return true;
  return table === localTable && (priority === priorities.local || priority === priorities.healthCheck);
}

const withoutPrefix = (cidr: string): string => cidr.split("/")[0] ?? cidr;
const familyName = (address: string): "ipv4" | "ipv6" => (isIP(address) === 6 ? "ipv6" : "ipv4");
const hostPrefix = (address: string): string => canonicalPrefix(address);
