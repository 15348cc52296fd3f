import type { Direction } from "../state/policy.ts";
import type { Bundle } from "./desired.ts";
import { ownerText, rowUuid } from "./owner.ts";
import { aclRow, groupAcl } from "./policy-acl.ts";
import { isolatedGroups } from "./policy-groups.ts";
import { networkPolicyPriorities, type PolicyLayout } from "./policy-layout.ts";
import { logColumns } from "./policy-log.ts";
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
        group: group.name,
        alternatives: [[]],
        log: logColumns(undefined),
      },
      layout,
    );
    return { row, membership: groupAcl(group.uuid, row.uuid) };
  });
  return { rows: acls.map(({ row }) => row), memberships: acls.map(({ membership }) => membership) };
}
