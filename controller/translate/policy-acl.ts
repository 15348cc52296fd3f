import type { Uuid } from "ovsdb-client-ts";
import type { Direction, PolicyTier } from "../state/policy.ts";
import type { DesiredRow, Membership } from "./desired.ts";
import type { PolicyLayout } from "./policy-layout.ts";

/** Ingress of a pod is judged on the way to its port; egress where a backend has been chosen, so by that and not by the service's address. */
const stages: Readonly<Record<Direction, { readonly port: string; readonly columns: DesiredRow["columns"] }>> = {
  ingress: { port: "outport", columns: { direction: "to-lport", options: {} } },
  egress: { port: "inport", columns: { direction: "from-lport", options: { "apply-after-lb": "true" } } },
};

export interface AclInput {
  readonly uuid: Uuid;
  /** With its part. */
  readonly owner: string;
  readonly direction: Direction;
  /** Of egress: by the address that the pod has asked for. */
  readonly beforeBalancing?: boolean;
  readonly priority: number;
  readonly tier: PolicyTier;
  readonly action: "allow" | "allow-related" | "allow-stateless" | "drop" | "pass";
  /** The name of the pods' port group; absent for those of a whole switch. */
  readonly group: string | undefined;
  /** What else it matches: any of these, each a list of what has to hold; empty texts say nothing. */
  readonly alternatives: readonly (readonly string[])[];
  readonly log: DesiredRow["columns"];
}

/** An ACL of pods. */
export function aclRow(
  { uuid, owner, direction, beforeBalancing, priority, tier, action, group, alternatives, log }: AclInput,
  layout: PolicyLayout,
): DesiredRow {
  const { port, columns } = stages[direction];
  const pods = group === undefined ? [] : [`${port} == @${group}`];
  const clauses = alternatives.map((parts) => {
    const said = parts.filter((part) => part !== "");
    return [...pods, ...(said.length === 0 ? ["ip"] : said)].join(" && ");
  });
  const ofTier = layout.tier[tier];
  return {
    table: "ACL",
    uuid,
    owner,
    columns: {
      ...columns,
      ...(beforeBalancing === true ? { options: {} } : {}),
      priority,
      // Each alternative whole: what is left to distribute costs ovn-controller flows by products, this by sums.
      match: clauses.length === 1 ? clauses[0] : clauses.map((clause) => `(${clause})`).join(" || "),
      action,
      ...(ofTier === undefined ? {} : { tier: ofTier }),
      ...log,
    },
  };
}

export function groupAcl(group: Uuid, acl: Uuid): Membership {
  return { table: "Port_Group", row: group, column: "acls", member: acl };
}
