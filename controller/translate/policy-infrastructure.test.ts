import { describe, expect, it } from "vitest";
import { type NetworkConfig, parseNetworkConfig } from "../ipam/network-config.ts";
import { isolatedGroups, subjectsGroup } from "./policy-groups.ts";
import { policyInfrastructure, switchAcls } from "./policy-infrastructure.ts";
import { adminPriorities, bands, infrastructurePriorities, policyLayout } from "./policy-layout.ts";

function networkOf(input: unknown): NetworkConfig {
  const result = parseNetworkConfig(input);
  if (result.kind === "invalid") throw new Error(JSON.stringify(result.problems));
  return result.network;
}

const tiers = policyLayout({ aclTiers: true, aclPass: true });
const node = { kind: "Node", key: "n1" };

const acls = (layout = bands) =>
  policyInfrastructure(layout)
    .rows.filter(({ table }) => table === "ACL")
    .map(({ owner, columns }) => [
      owner,
      [columns.direction, columns.priority, columns.tier ?? 0, columns.action, columns.match].join(" "),
    ]);

describe("what policies stand on", () => {
  it("are the drops of the isolated, and what no policy may take away", () => {
    expect(Object.fromEntries(acls())).toEqual({
      "Tenant/default#isolation.ingress": "to-lport 10300 0 drop outport == @isolated.ingress && ip",
      "Tenant/default#isolation.egress": "from-lport 10300 0 drop inport == @isolated.egress && ip",
      "Tenant/default#policy.hairpin":
        "to-lport 32600 0 allow-related (outport == @policy.subjects && ip4.src == 169.254.0.5) || (outport == @policy.subjects && ip6.src == fd69::5)",
      "Tenant/default#policy.sctp.hairpin":
        "to-lport 32601 0 allow-stateless (outport == @policy.subjects && ip4.src == 169.254.0.5 && sctp) || (outport == @policy.subjects && ip6.src == fd69::5 && sctp)",
      "Tenant/default#policy.sctp.answers.ingress":
        "to-lport 32600 0 allow-stateless outport == @policy.subjects && sctp.src < 32768 && sctp.dst >= 32768 && ct.new",
      "Tenant/default#policy.sctp.answers.egress":
        "from-lport 32600 0 allow-related inport == @policy.subjects && sctp.src < 32768 && sctp.dst >= 32768",
      "Tenant/default#policy.sctp.ingress":
        "to-lport 2 0 allow-stateless outport == @policy.subjects && sctp.dst < 32768 && flags.loopback == 0",
    });
  });

  it("keep what only marks SCTP below all tiers where there are some", () => {
    const byOwner = Object.fromEntries(acls(tiers));
    expect(byOwner["Tenant/default#isolation.ingress"]).toContain("to-lport 10300 1 drop");
    expect(byOwner["Tenant/default#policy.sctp.ingress"]).toContain("to-lport 2 2 allow-stateless");
    expect(byOwner["Tenant/default#policy.hairpin"]).toContain("to-lport 32600 0 allow-related");
  });

  it("have three groups, each with its ACLs, and one meter", () => {
    const { rows, memberships } = policyInfrastructure(bands);
    const groups = rows.filter(({ table }) => table === "Port_Group").map(({ columns }) => columns.name);
    expect(groups).toEqual(["policy.subjects", "isolated.ingress", "isolated.egress"]);
    const held = (group: { readonly uuid: string }) => memberships.filter(({ row }) => row === group.uuid).length;
    expect([subjectsGroup, isolatedGroups.ingress, isolatedGroups.egress].map(held)).toEqual([5, 1, 1]);
    const band = rows.find(({ table }) => table === "Meter_Band");
    expect(rows.find(({ table }) => table === "Meter")?.columns).toMatchObject({ bands: [band?.uuid], fair: true });
  });

  it("stand above every policy", () => {
    expect(Math.min(...Object.values(infrastructurePriorities))).toBeGreaterThan(adminPriorities.first);
  });
});

describe("a node's switch", () => {
  it("keeps SCTP within the cluster from connection tracking before load balancing, for a pod that no policy selects too", () => {
    const rows = switchAcls(networkOf({ clusterCidr: "10.244.0.0/16" }), node, bands);
    expect(rows.map(({ columns }) => columns)).toMatchObject([
      {
        direction: "from-lport",
        options: {},
        action: "allow-stateless",
        match: "sctp && !ct.trk && ip4.dst == 10.244.0.0/16",
      },
      { direction: "to-lport", options: {}, action: "allow-stateless", match: "sctp && ct.new" },
    ]);
  });

  it("leaves what a tier did not decide to the next, the last one excepted, lest northd allow it again", () => {
    const rows = switchAcls(networkOf({}), node, tiers).map(({ owner, columns }) => [
      owner,
      [columns.direction, columns.tier ?? 0, columns.priority, columns.action].join(" "),
    ]);
    expect(Object.fromEntries(rows)).toEqual({
      // Alone in its stage, where a second tier would have what it matches committed by the first.
      "Node/n1#policy.sctp.egress": "from-lport 0 1 allow-stateless",
      "Node/n1#policy.sctp.ingress": "to-lport 2 1 allow-stateless",
      "Node/n1#policy.undecided.Admin": "to-lport 0 0 pass",
      "Node/n1#policy.undecided.NetworkPolicy": "to-lport 1 0 pass",
    });
  });
});
