import type { Cidr } from "../ipam/address.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { Bundle, DesiredRow, Owner } from "./desired.ts";
import { hairpinAddresses } from "./hairpin.ts";
import { isolationBundle } from "./isolation.ts";
import { ownerText, rowUuid } from "./owner.ts";
import { type AclInput, aclRow, groupAcl } from "./policy-acl.ts";
import { subjectsGroup, tenantGroupRows } from "./policy-groups.ts";
import { infrastructurePriorities, lastPriorities, type PolicyLayout } from "./policy-layout.ts";
import { logColumns, logMeterRows } from "./policy-log.ts";
import { tenantOwner } from "./tenant-owner.ts";

const silent = logColumns(undefined);

type Rule = Pick<AclInput, "direction" | "beforeBalancing" | "priority" | "tier" | "action" | "alternatives">;

function row(owner: Owner, part: string, group: string | undefined, rule: Rule, layout: PolicyLayout): DesiredRow {
  const text = ownerText(owner, `policy.${part}`);
  return aclRow({ ...rule, uuid: rowUuid("ACL", text), owner: text, group, log: silent }, layout);
}

/**
 * Up to which port a server may be expected: what comes from one of these and goes to a higher one is an answer. By this, and not by
 * connection tracking, SCTP's answers are told: Open vSwitch's own tracking (before 3.2) sees no SCTP ports, so that one association
 * between two addresses would let in all others, both ways.
 */
const sctpAnswer = "sctp.src < 32768 && sctp.dst >= 32768";

const fromItself = [`ip4.src == ${hairpinAddresses[4]}`, `ip6.src == ${hairpinAddresses[6]}`];

/** What holds for pods that some policy selects, whatever it says. */
function subjectRules(): readonly (readonly [part: string, rule: Rule])[] {
  const always = { priority: infrastructurePriorities.always, tier: "Admin" } as const;
  return [
    [
      "hairpin",
      {
        ...always,
        direction: "ingress",
        // It also makes the switch a stateful one, on which answers pass: drops alone would not.
        action: "allow-related",
        alternatives: fromItself.map((source) => [source]),
      },
    ],
    // Not committed once more: without ports an association would be in the way of itself.
    [
      "sctp.hairpin",
      {
        ...always,
        priority: infrastructurePriorities.sctpHairpin,
        direction: "ingress",
        action: "allow-stateless",
        alternatives: fromItself.map((source) => [source, "sctp"]),
      },
    ],
    // Tracked, since it may have to be translated back; but not committed: `ct.new` holds only once it was looked up.
    [
      "sctp.answers.ingress",
      { ...always, direction: "ingress", action: "allow-stateless", alternatives: [[sctpAnswer, "ct.new"]] },
    ],
    ["sctp.answers.egress", { ...always, direction: "egress", action: "allow-related", alternatives: [[sctpAnswer]] }],
    [
      "sctp.ingress",
      {
        direction: "ingress",
        priority: lastPriorities.sctpOfSubjects,
        tier: "Baseline",
        action: "allow-stateless",
        // A pod's own packets come round with the address that they shall have only after another look into conntrack.
        alternatives: [["sctp.dst < 32768", "flags.loopback == 0"]],
      },
    ],
  ];
}

/**
 * Has each tier but the last say that it leaves the rest to the next. ovn-northd 25.03 means by no match at all more than
 * that, in whichever tier: that an established connection which was blocked is allowed again, whatever lower tiers say, so
 * that every second packet of it passed; and that a new one shall be committed, which SCTP must not be. Of `from-lport` that
 * holds in the stage before load balancing alone, where there is one tier.
 */
function undecidedAcls(owner: Owner, layout: PolicyLayout): readonly DesiredRow[] {
  if (layout.kind === "bands") return [];
  const rule = {
    direction: "ingress",
    priority: lastPriorities.undecided,
    action: "pass",
    alternatives: [[]],
  } as const;
  return (["Admin", "NetworkPolicy"] as const).map((tier) =>
    row(owner, `undecided.${tier}`, undefined, { ...rule, tier }, layout),
  );
}

/**
 * What a switch has for all of its pods. SCTP between the cluster's addresses isn't tracked, whoever sends it; nor is
 * committed what comes to a pod.
 * @param more in which other networks than the cluster's pods are that these pods may meet
 */
export function switchAcls(
  { families }: Pick<NetworkConfig, "families">,
  owner: Owner,
  layout: PolicyLayout,
  more: readonly Pick<Cidr, "family" | "text">[] = [],
): readonly DesiredRow[] {
  const last = { priority: lastPriorities.sctp, action: "allow-stateless" } as const;
  const networks = [...families.map(({ family, cluster: { text } }) => ({ family, text })), ...more];
  const within = networks.map(({ family, text }) => ["sctp", "!ct.trk", `ip${family}.dst == ${text}`]);
  return [
    // Before load balancing: there all that no ACL matches is marked to be committed. What goes to a service is tracked and
    // left to that: else an association that policies blocked once would stay marked as blocked.
    row(
      owner,
      "sctp.egress",
      undefined,
      { ...last, tier: "Admin", direction: "egress", beforeBalancing: true, alternatives: within },
      layout,
    ),
    row(
      owner,
      "sctp.ingress",
      undefined,
      { ...last, tier: "Baseline", direction: "ingress", alternatives: [["sctp", "ct.new"]] },
      layout,
    ),
    ...undecidedAcls(owner, layout),
  ];
}

/** What policies stand on: the tenant's groups with their ACLs, and the meter of those that log. */
export function policyInfrastructure(layout: PolicyLayout): Bundle {
  const isolation = isolationBundle(layout);
  const subjects = subjectRules().map(([part, rule]) => row(tenantOwner, part, subjectsGroup.name, rule, layout));
  return {
    rows: [...tenantGroupRows(), ...isolation.rows, ...subjects, ...logMeterRows()],
    memberships: [...isolation.memberships, ...subjects.map(({ uuid }) => groupAcl(subjectsGroup.uuid, uuid))],
  };
}
