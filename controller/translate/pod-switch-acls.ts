import { isIP } from "node:net";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { DesiredRow, Owner } from "./desired.ts";
import { oneOf } from "./match.ts";
import { managementPort } from "./names.ts";
import { type NodeTopology, nodeFamilies } from "./node-topology.ts";
import { desiredRow } from "./owner.ts";
import { infrastructurePriorities } from "./policy-layout.ts";

/**
 * Drops what is still for an address of the services' networks after load balancing: nobody has it. Else the switch would
 * commit such a flow untranslated, and a UDP client that goes on sending would stay with that when the Service comes.
 * Drops alone make no ACL stateful: no further pass through connection tracking. It stands above all that policies allow.
 */
export function serviceGuardAcls({ services }: NetworkConfig, owner: Owner): readonly DesiredRow[] {
  return services.cidrs.map(({ family, text }) =>
    desiredRow("ACL", owner, `services.ipv${family}`, {
      direction: "from-lport",
      priority: infrastructurePriorities.serviceGuard,
      match: `ip${family}.dst == ${text}`,
      action: "drop",
      options: { "apply-after-lb": "true" },
    }),
  );
}

type NodeSources = Pick<NodeTopology, "name" | "block" | "addresses">;

function ownNodeMatch(network: NetworkConfig, { block, addresses }: NodeSources): string {
  const sources = nodeFamilies(network, block).map(({ family, management }) => {
    const own = [management, ...addresses.filter((address) => isIP(address) === family)];
    return `ip${family}.src == ${oneOf(own)}`;
  });
  return sources.join(" || ");
}

function allowAcl(owner: Owner, part: string, match: string): DesiredRow {
  return desiredRow("ACL", owner, part, {
    direction: "to-lport",
    priority: infrastructurePriorities.always,
    // For all of the switch: a port group of which it has no port would be an error there.
    match,
    // Alone it makes no switch a stateful one.
    action: "allow",
  });
}

/**
 * A node reaches its own pods, whatever policies say: their probes come from it. It may speak from its management address or from
 * any of its own.
 * @param owner of a switch that has pods of this node alone
 */
export function ownNodeAcl(network: NetworkConfig, node: NodeSources, owner: Owner): DesiredRow {
  return allowAcl(owner, "pods", ownNodeMatch(network, node));
}

/** The same for switches that have pods of several nodes: it counts where the node's own port is, so for the pods there. */
export function ownNodeAclOnSharedSwitches(network: NetworkConfig, node: NodeSources, owner: Owner): DesiredRow {
  const match = `(${ownNodeMatch(network, node)}) && is_chassis_resident("${managementPort(node.name)}")`;
  return allowAcl(owner, "pods.shared", match);
}
