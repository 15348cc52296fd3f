import type { OpenVswitch, OpenVswitchRows } from "@ovenbird/ovsdb-schemas";
import type { Replica } from "ovsdb-client-ts";
import type { Link } from "../netlink/index.ts";
import {
  type BridgeInterface,
  bridgeOf,
  findBridge,
  findInterface,
  interfacesOf,
  openVswitchRow,
} from "../vswitchd/index.ts";
import { homeKey } from "./bridge.ts";
import { areNamed, chooseUplinks, dependants } from "./choose-uplinks.ts";
import { foreignMapping, mappedName } from "./mappings.ts";
import { bondName, bridgeName, networkOfBridge } from "./names.ts";
import type { ProviderNetworkView } from "./provider-network-view.ts";

/** How a node is to be on a provider network. */
export type Plan =
  /** By a bridge of the network's own. */
  | { readonly kind: "own"; readonly bridge: string; readonly links: readonly Link[] }
  /** By a bridge that is there for something else and stays as it is. `isMapped`: others have mapped the network to it. */
  | {
      readonly kind: "shared";
      readonly bridge: string;
      readonly links: readonly Link[];
      readonly isMapped: boolean;
      readonly message: string | undefined;
    }
  /** What stands stays, though it could not be made like this now. */
  | { readonly kind: "kept"; readonly bridge: string; readonly links: readonly Link[]; readonly message: string }
  | { readonly kind: "refused"; readonly message: string };

export interface PlanInputs {
  readonly replica: Replica<OpenVswitch>;
  /** All links of the node. */
  readonly links: readonly Link[];
  readonly integrationBridge: string;
  readonly gatewayBridge: string;
  /** The interface that the agent was told to move onto the gateway bridge. */
  readonly gatewayUplink: string | undefined;
  readonly systemId: string;
  /** Whether addresses of the node would be lost with a bridge. */
  readonly holdsTheLast: (bridge: OpenVswitchRows.Bridge, uplinks: readonly Link[]) => boolean;
}

/** @param claimed uplinks that other provider networks have, by name */
export function planOf(network: ProviderNetworkView, inputs: PlanInputs, claimed: ReadonlyMap<string, string>): Plan {
  const { replica, links } = inputs;
  const bridge = bridgeName(network.name);
  const row = findBridge(replica, bridge);
  const isOwn = row !== undefined && networkOfBridge(row.external_ids) === network.name;
  const members = isOwn ? uplinksOn(replica, row, links) : [];
  const failed = (message: string): Plan =>
    isOwn ? { kind: "kept", bridge, links: members, message } : { kind: "refused", message };

  if (network.problem !== undefined) return failed(`the specification can't be understood: ${network.problem}`);
  const inUse = isOwn ? uplinkInterfaces(replica, row).map((one) => one.row.name) : [];
  const choice = chooseUplinks(network.uplinks, links, (name) => isOfOpenVswitch(inputs, name), inUse);
  if (choice.kind === "missing") return failed(choice.message);
  for (const { name } of choice.links) {
    const holder = claimed.get(name);
    if (holder !== undefined) return failed(`${name} is the uplink of ProviderNetwork ${holder}: use that one`);
  }
  if (isOwn && !areNamed(choice.links, inUse) && inputs.holdsTheLast(row, members)) {
    return failed(`${inUse.join(" and ")} is gone, and ${bridge} keeps the node's addresses for it`);
  }
  const others = new Set(choice.links.map(({ name }) => bridgeOf(replica, name)?.name));
  const [only] = others;
  const mapped = foreignMapping(
    openVswitchRow(replica)?.external_ids ?? new Map(),
    mappedName(network.name, inputs.systemId),
  );
  if (others.size === 1 && only !== undefined && only !== bridge) return sharing(only);
  if (mapped !== undefined) {
    const entry = `${mappedName(network.name, inputs.systemId)}:${mapped}`;
    return failed(`ovn-bridge-mappings has ${entry} already, which is not of the agent's making`);
  }
  for (const link of choice.links) {
    const problem = problemOf(link, bridge);
    if (problem !== undefined) return failed(problem);
  }
  if (!isOwn && (row !== undefined || links.some(({ name }) => name === bridge))) {
    return { kind: "refused", message: `${bridge} exists and is not of the agent's making: remove it` };
  }
  return { kind: "own", bridge, links: choice.links };

  function sharing(other: string): Plan {
    if (choice.kind !== "found") return failed("");
    const names = choice.links.map(({ name }) => name).join(" and ");
    const holder = networkOfBridge(findBridge(replica, other)?.external_ids ?? new Map());
    if (holder !== undefined) return failed(`${names}: the uplink of ProviderNetwork ${holder}; use that one`);
    if (mapped !== undefined && mapped !== other) {
      return failed(
        `ovn-bridge-mappings has ${mappedName(network.name, inputs.systemId)}:${mapped}, and ${names} is on ${other}`,
      );
    }
    return {
      kind: "shared",
      bridge: other,
      links: choice.links,
      isMapped: mapped !== undefined,
      message: other === inputs.gatewayBridge ? `shares ${other} with the node: its subnets need a VLAN` : undefined,
    };
  }

  function problemOf(link: Link, own: string): string | undefined {
    const { name } = link;
    const other = bridgeOf(replica, name);
    if (other?.name === own) return undefined;
    if (other) return `${name} is a port of the bridge ${other.name}, and not all uplinks are`;
    if (name === inputs.gatewayUplink) return `${name} is about to become the uplink of ${inputs.gatewayBridge}`;
    if (link.masterIndex !== undefined) return `${name} is a port of a bridge, bond or VRF of the kernel: take it out`;
    if (link.mac === undefined) return `${name} has no hardware address`;
    const lost = dependants(link, links);
    if (lost.length > 0) return `${lost.join(", ")} would fall silent with ${name}: remove it, or use another uplink`;
    return undefined;
  }
}

/** The uplinks that a provider network's bridge was made with; others may have put ports of theirs beside them. */
export function uplinkInterfaces(replica: Replica<OpenVswitch>, bridge: OpenVswitchRows.Bridge): BridgeInterface[] {
  const bond = bondName(networkOfBridge(bridge.external_ids) ?? "");
  const home = bridge.external_ids.get(homeKey);
  return interfacesOf(replica, bridge).filter(({ port }) => port.name === bond || port.name === home);
}

/** The links of those uplinks that are there. */
export function uplinksOn(
  replica: Replica<OpenVswitch>,
  bridge: OpenVswitchRows.Bridge,
  links: readonly Link[],
): readonly Link[] {
  const names = new Set(uplinkInterfaces(replica, bridge).map(({ row }) => row.name));
  return links.filter(({ name }) => names.has(name));
}

/** Pods' devices, and those that are bridges' own. */
function isOfOpenVswitch({ replica, integrationBridge }: PlanInputs, name: string): boolean {
  const row = findInterface(replica, name);
  if (row === undefined) return false;
  return (row.type !== "" && row.type !== "system") || bridgeOf(replica, name)?.name === integrationBridge;
}
