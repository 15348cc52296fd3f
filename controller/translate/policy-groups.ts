import type { Uuid } from "ovsdb-client-ts";
import type { Direction } from "../state/policy.ts";
import type { DesiredRow } from "./desired.ts";
import { desiredRow, ownerText, rowUuid } from "./owner.ts";
import { tenantOwner } from "./tenant-owner.ts";

/** A Port_Group by what others need of it. */
export interface PortGroup {
  readonly name: string;
  readonly uuid: Uuid;
}

function tenantGroup(name: string): PortGroup {
  return { name, uuid: rowUuid("Port_Group", ownerText(tenantOwner, name)) };
}

/** Pods that some NetworkPolicy isolates in the direction. */
export const isolatedGroups: Readonly<Record<Direction, PortGroup>> = {
  ingress: tenantGroup("isolated.ingress"),
  egress: tenantGroup("isolated.egress"),
};

/** Pods that a policy of any kind selects. */
export const subjectsGroup: PortGroup = tenantGroup("policy.subjects");

/** The groups' rows; pods' bundles fill them. */
export function tenantGroupRows(): readonly DesiredRow[] {
  return [subjectsGroup, isolatedGroups.ingress, isolatedGroups.egress].map(({ name }) =>
    desiredRow("Port_Group", tenantOwner, name, { name }),
  );
}
