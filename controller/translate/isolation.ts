import type { Direction } from "../state/policy.ts";
import { podSelector } from "../state/selector.ts";
import type { Bundle, Owner } from "./desired.ts";
import { ownerText, rowUuid } from "./owner.ts";
import { aclRow, groupAcl } from "./policy-acl.ts";
import type { PolicyContext } from "./policy-context.ts";
import { isolatedGroups } from "./policy-groups.ts";
import { networkPolicyPriorities, type PolicyLayout } from "./policy-layout.ts";
import { isolationLogName, logColumns } from "./policy-log.ts";
import { tenantOwner } from "./tenant-owner.ts";

const directions: readonly Direction[] = ["ingress", "egress"];

/** What no NetworkPolicy allows is dropped for pods that some isolates: one ACL a direction, however many those are. */
export function isolationBundle(layout: PolicyLayout): Bundle {
  const acls = directions.map((direction) => {
    const owner = ownerText(tenantOwner, `isolation.${direction}`);
    const group = isolatedGroups[direction];
    const row = aclRow(
      {
        uuid: rowUuid("ACL", owner),
        owner,
        direction,
        priority: networkPolicyPriorities.isolation,
        tier: "NetworkPolicy",
        action: "drop",
        groups: [group.name],
        match: [],
        log: logColumns(undefined),
      },
      layout,
    );
    return { row, membership: groupAcl(group.uuid, row.uuid) };
  });
  return { rows: acls.map(({ row }) => row), memberships: acls.map(({ membership }) => membership) };
}

export function namespaceOwner(key: string): Owner {
  return { kind: "Namespace", key };
}

/**
 * The same for the pods of one namespace, logged.
 * @returns undefined for a namespace that doesn't log what is denied
 */
export function namespaceLogBundle(
  namespace: string,
  { sets, layout, logged }: Pick<PolicyContext, "sets" | "layout" | "logged">,
): Bundle | undefined {
  if (!logged.deny.includes(namespace)) return undefined;
  const pods = sets.group(podSelector({ namespace }));
  const acls = directions.map((direction) => {
    const owner = ownerText(namespaceOwner(namespace), `isolation.${direction}`);
    return aclRow(
      {
        uuid: rowUuid("ACL", owner),
        owner,
        direction,
        priority: networkPolicyPriorities.isolation + 1,
        tier: "NetworkPolicy",
        action: "drop",
        groups: [pods.name, isolatedGroups[direction].name],
        match: [],
        log: logColumns(isolationLogName(namespace, direction)),
      },
      layout,
    );
  });
  return { rows: acls, memberships: acls.map(({ uuid }) => groupAcl(pods.uuid, uuid)) };
}
