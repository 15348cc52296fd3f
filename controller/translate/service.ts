import type { Family } from "../ipam/address.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { EndpointSliceRecord } from "../state/endpoint-slice.ts";
import type { Problem } from "../state/object-problem.ts";
import type { Protocol, ServicePort, ServiceRecord } from "../state/service.ts";
import { arrange } from "./backend-slots.ts";
import type { Bundle, DesiredRow, Membership } from "./desired.ts";
import { type LoadBalancerUse, loadBalancer, serviceOwner } from "./load-balancer.ts";
import { gatewaysGroup, nodeGatewayGroup, nodeSwitchGroup, switchesGroup } from "./load-balancer-groups.ts";
import { type RestrictedAddress, sourceRangePolicies } from "./load-balancer-source-ranges.ts";
import { type LocalEndpoints, localAnswers } from "./local-answers.ts";
import { rowUuid } from "./owner.ts";
import { addressAndPort, type Backend, backendsOf, backendTexts, usable } from "./service-endpoints.ts";
import type { ServiceNodes } from "./service-nodes.ts";
import { serviceProblems } from "./service-problems.ts";
import { serviceVips, type Vip } from "./service-vips.ts";

/** The value that a virtual address of a row had before; undefined when there was none. */
export type PreviousBackends = (rowUuid: string, vip: string) => string | undefined;

export interface ServiceInput {
  readonly service: ServiceRecord;
  /** Keys (see `vipsOf`) of what another service has, with that service's key. */
  readonly refused: ReadonlyMap<string, string>;
  /** All of the service, sorted by key. */
  readonly slices: readonly EndpointSliceRecord[];
  readonly nodes: ServiceNodes;
  readonly previous: PreviousBackends;
  /** Whether pods may leave by addresses of their own; by default they don't. */
  readonly outlets?: boolean;
}

export interface ServiceOutcome {
  /** Absent when nothing shall be made for the service. */
  readonly bundle: Bundle | undefined;
  readonly problems: readonly Problem[];
}

const anywhere: LoadBalancerUse = { reject: true };
const onSwitchOfNode: LoadBalancerUse = { reject: false };
const onGatewayOfNode: LoadBalancerUse = { reject: false, skipSnat: true };
const templates: Readonly<Record<Family, LoadBalancerUse>> = {
  4: { reject: true, template: "ipv4" },
  6: { reject: true, template: "ipv6" },
};

/** The backends of one port in one family, as the rows need them; each is derived at most once. */
interface Choice {
  /** Those for clients anywhere, sorted. */
  readonly everywhere: readonly string[];
  /** Whether every one of them says for which zones it is; then {@link inZone} tells them apart. */
  readonly isHinted: boolean;
  /** Those for clients in a zone: all, when none is meant for it. */
  inZone(zone: string): readonly string[];
  /** Those on each node, of nodes that have some. */
  onNodes(): ReadonlyMap<string, readonly string[]>;
}

function choiceOf(backends: readonly Backend[], all: boolean): Choice {
  const chosen = usable(backends, all);
  const everywhere = backendTexts(chosen);
  const isHinted = chosen.length > 0 && chosen.every(({ endpoint }) => endpoint.zones !== undefined);
  let byNode: Map<string, readonly string[]> | undefined;
  return {
    everywhere,
    isHinted,
    inZone(zone) {
      if (!isHinted) return everywhere;
      const near = chosen.filter(({ endpoint }) => endpoint.zones?.includes(zone));
      return near.length === 0 ? everywhere : backendTexts(near);
    },
    onNodes() {
      if (byNode !== undefined) return byNode;
      const grouped = Map.groupBy(backends, ({ endpoint }) => endpoint.node);
      byNode = new Map();
      for (const [node, own] of grouped) {
        const local = backendTexts(usable(own, all));
        if (node !== undefined && local.length > 0) byNode.set(node, local);
      }
      return byNode;
    },
  };
}

interface Draft {
  readonly protocol: Protocol;
  readonly use: LoadBalancerUse;
  readonly groups: readonly string[];
  readonly vips: [vip: string, backends: readonly string[]][];
}

/** Group UUIDs cost a hash each; which zones there are changes seldom. */
const switchGroups = new WeakMap<readonly string[], readonly string[]>();

function switchGroupsOf(zones: readonly string[]): readonly string[] {
  let groups = switchGroups.get(zones);
  if (groups === undefined) {
    groups = zones.map((zone) => switchesGroup(zone).uuid);
    switchGroups.set(zones, groups);
  }
  return groups;
}

/**
 * All rows of a service: one Load_Balancer for each protocol and each place where its addresses mean something else.
 * Nothing here grows with the number of nodes, but for the nodes that have endpoints of a service whose traffic policy
 * is Local. Sources: the Service and EndpointSlice APIs (core/v1, discovery.k8s.io/v1), KEP-1669, KEP-1672, KEP-2086,
 * KEP-2433; ovn-nb(5) Load_Balancer.
 */
export function serviceBundle(
  network: NetworkConfig,
  { service, refused, slices, nodes, previous, outlets = false }: ServiceInput,
): ServiceOutcome {
  if (service.skipped) return { bundle: undefined, problems: [] };
  const families = network.families.map(({ family }) => family);
  const claimed = serviceVips(service).filter(({ family }) => families.includes(family));
  const vips = refused.size === 0 ? claimed : claimed.filter(({ key }) => !refused.has(key));
  const problems = serviceProblems(network, { service, families, claimed, refused, slices, nodes });
  if (vips.length === 0) return { bundle: undefined, problems };

  const choices = new Map<ServicePort, Partial<Record<Family, Choice>>>();
  const choose = ({ port, family }: Vip): Choice => {
    let ofPort = choices.get(port);
    if (ofPort === undefined) {
      ofPort = {};
      choices.set(port, ofPort);
    }
    let choice = ofPort[family];
    if (choice === undefined) {
      choice = choiceOf(backendsOf(network, port, family, slices, nodes), service.publishNotReady);
      ofPort[family] = choice;
    }
    return choice;
  };

  const drafts = new Map<string, Draft>();
  const put = (
    part: string,
    protocol: Protocol,
    use: LoadBalancerUse,
    groups: () => readonly string[],
    vip: string,
    backends: readonly string[],
  ): void => {
    let draft = drafts.get(part);
    if (draft === undefined) {
      draft = { protocol, use, groups: groups(), vips: [] };
      drafts.set(part, draft);
    }
    draft.vips.push([vip, backends]);
  };

  const switches = (): readonly string[] => switchGroupsOf(nodes.zones);
  const switchesAndGateways = (): readonly string[] => [...switches(), gatewaysGroup.uuid];
  const outside = service.externalLocal ? switches : switchesAndGateways;
  const gateways = (): readonly string[] => [gatewaysGroup.uuid];

  const hintedProtocols = new Set<Protocol>();
  if (!service.internalLocal) {
    for (const vip of vips) {
      if (vip.kind === "cluster" && choose(vip).isHinted) hintedProtocols.add(vip.port.protocol);
    }
  }

  const putCluster = (vip: Vip): void => {
    const { protocol, port } = vip.port;
    const text = addressAndPort(vip.address, port);
    const choice = choose(vip);
    if (service.internalLocal) {
      for (const [node, local] of choice.onNodes()) {
        if (nodes.node(node) === undefined) continue;
        const groups = (): readonly string[] => [nodeSwitchGroup(node).uuid];
        put(`internal.${node}.${protocol}`, protocol, onSwitchOfNode, groups, text, local);
      }
    } else if (hintedProtocols.has(protocol)) {
      for (const [position, zone] of nodes.zones.entries()) {
        const groups = (): readonly string[] => switches().slice(position, position + 1);
        put(`cluster.${protocol}@${zone}`, protocol, anywhere, groups, text, choice.inZone(zone));
      }
    } else put(`cluster.${protocol}`, protocol, anywhere, switches, text, choice.everywhere);
  };

  const answering = new Map<string, LocalEndpoints & { readonly backends: string[] }>();
  /** What clients outside reach on a node with endpoints, when the client's address shall stay. */
  const putOnGateways = (vip: Vip, port: number): void => {
    const { protocol } = vip.port;
    for (const [name, local] of choose(vip).onNodes()) {
      const node = nodes.node(name);
      if (node === undefined || !node.hasGateway) continue;
      const own = node.addresses.filter((address) => address.includes(":") === (vip.family === 6));
      const groups = (): readonly string[] => [nodeGatewayGroup(name).uuid];
      for (const address of vip.kind === "node" ? own : [vip.address]) {
        const text = addressAndPort(address, port);
        put(`external.${name}.${protocol}`, protocol, onGatewayOfNode, groups, text, local);
      }
      if (vip.kind !== "node") continue;
      const answer = { node: name, family: vip.family, protocol };
      const key = `${name} ${protocol} ${vip.family}`;
      const before = answering.get(key)?.backends ?? [];
      answering.set(key, { ...answer, backends: [...before, ...local] });
    }
  };

  const putExternal = (vip: Vip): void => {
    const { protocol, port } = vip.port;
    const text = addressAndPort(vip.address, port);
    const isRestricted = vip.kind === "ingress" && service.sourceRanges !== undefined;
    if (!isRestricted) put(`external.${protocol}`, protocol, anywhere, outside, text, choose(vip).everywhere);
    else if (!service.externalLocal) {
      put(`restricted.${protocol}`, protocol, anywhere, gateways, text, choose(vip).everywhere);
    }
    if (service.externalLocal) putOnGateways(vip, port);
  };

  const putNodePort = (vip: Vip): void => {
    const { protocol, nodePort } = vip.port;
    if (nodePort === undefined) return;
    const { everywhere } = choose(vip);
    for (let slot = 0; slot < nodes.slots[vip.family]; slot++) {
      const text = `^NODE_IPV${vip.family}_${slot}:${nodePort}`;
      put(`nodeport.${protocol}.ipv${vip.family}`, protocol, templates[vip.family], outside, text, everywhere);
    }
    if (service.externalLocal) putOnGateways(vip, nodePort);
  };

  for (const vip of vips) {
    if (vip.kind === "cluster") putCluster(vip);
    else if (vip.kind === "node") putNodePort(vip);
    else putExternal(vip);
  }

  const rows: DesiredRow[] = [];
  const memberships: Membership[] = [];
  const arranged = createArranger();
  for (const [part, { protocol, use, groups, vips }] of drafts) {
    const uuid = rowUuid("Load_Balancer", `Service/${service.key}#${part}`);
    const entries = vips.map(([vip, backends]) => [vip, arranged(previous(uuid, vip), backends)] as const);
    // A gateway router would put its own address into the TCP reset too, and the client would not know it for an answer.
    const refuses = groups.includes(gatewaysGroup.uuid) && vips.every(([, backends]) => backends.length === 0);
    const how = refuses ? { ...use, skipSnat: true } : use;
    const made = loadBalancer(service, part, protocol, how, { uuid, vips: entries, groups });
    rows.push(made.row);
    memberships.push(...made.memberships);
  }
  const owner = serviceOwner(service.key);
  for (const endpoints of answering.values()) {
    const node = nodes.node(endpoints.node);
    for (const answer of node === undefined ? [] : localAnswers(network, owner, endpoints, node, outlets)) {
      rows.push(answer.row);
      memberships.push(answer.membership);
    }
  }
  if (service.sourceRanges !== undefined) {
    const policies = sourceRangePolicies(service, restrictedAddresses(vips));
    rows.push(...policies.rows);
    memberships.push(...policies.memberships);
  }
  return { bundle: { rows, memberships }, problems };
}

/** Arranges backends; virtual addresses with the same backends before and now share the work and the text. */
function createArranger(): (previous: string | undefined, wanted: readonly string[]) => string {
  let last:
    | { readonly previous: string | undefined; readonly wanted: readonly string[]; readonly value: string }
    | undefined;
  return (previous, wanted) => {
    if (last !== undefined && last.wanted === wanted && last.previous === previous) return last.value;
    const before = previous === undefined || previous === "" ? [] : previous.split(",");
    const after = arrange(before, wanted);
    const value = after === before && previous !== undefined ? previous : after.join(",");
    last = { previous, wanted, value };
    return value;
  };
}

function restrictedAddresses(vips: readonly Vip[]): readonly RestrictedAddress[] {
  const byPlace = Map.groupBy(
    vips.filter(({ kind }) => kind === "ingress"),
    ({ address, port }) => `${port.protocol} ${address}`,
  );
  return [...byPlace.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const ports = group.map(({ port }) => port.port).sort((a, b) => a - b);
    return [{ address: first.address, family: first.family, protocol: first.port.protocol, ports }];
  });
}
