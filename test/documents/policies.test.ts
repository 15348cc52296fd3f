import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { modelOfObjects } from "../../controller/explain/model-of-objects.ts";
import { planOf } from "../../controller/explain/plan.ts";
import { createExplainer } from "../../controller/explain/why.ts";
import { logPolicies } from "../../controller/state/namespace.ts";
import { addressSetOwner } from "../../controller/translate/address-set.ts";
import { isolatedGroups, subjectsGroup } from "../../controller/translate/policy-groups.ts";
import {
  adminPriorities,
  baselinePriorities,
  infrastructurePriorities,
  lastPriorities,
  networkPolicyPriorities,
} from "../../controller/translate/policy-layout.ts";
import { logMeter, logName } from "../../controller/translate/policy-log.ts";
import {
  adminNetworkPolicies,
  baselineAdminNetworkPolicies,
  clusterNetworkPolicies,
  logPolicyAnnotationKey,
  networkPolicies,
} from "../../kube/index.ts";

const document = readFileSync(join(import.meta.dirname, "..", "..", "docs", "policies.md"), "utf8");

/** The cells of the table whose heading begins with this cell, without code marks. */
function table(first: string): readonly (readonly string[])[] {
  const lines = document.split("\n");
  const from = lines.findIndex((line) => line.startsWith(`| ${first} |`));
  expect(from, `there is no table of ${first}`).toBeGreaterThanOrEqual(0);
  const length = lines.slice(from).findIndex((line) => !line.startsWith("|"));
  const rows = lines.slice(from, from + length).filter((line) => !line.startsWith("|---"));
  return rows.map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll("`", "")),
  );
}

/** The objects of every example that can be copied. */
const examples = [...document.matchAll(/<<'YAML'\n(.*?)\nYAML\n/gs)].flatMap(([, yaml = ""]) =>
  parseAllDocuments(yaml).map((each) => each.toJS() as Readonly<Record<string, unknown>>),
);

const kinds = [networkPolicies, adminNetworkPolicies, baselineAdminNetworkPolicies, clusterNetworkPolicies].map(
  ({ kind }) => kind,
);

describe("docs/policies.md", () => {
  it("says of every kind what is understood, and of no other", () => {
    const heading = document.split("\n").find((line) => line.startsWith("| | NetworkPolicy |")) ?? "";
    expect(
      heading
        .split("|")
        .slice(2, -1)
        .map((cell) => cell.trim()),
    ).toEqual(kinds);
  });

  it("has an example of every kind, and they do together what is said of them", async () => {
    expect([...new Set(examples.map(({ kind }) => kind))].sort()).toEqual([...kinds].sort());
    const pod = (host: number, labels: Readonly<Record<string, string>>) => ({
      addresses: [`10.244.0.${host}`],
      labels,
      node: "node1",
    });
    const cluster = {
      namespaces: { default: {} },
      pods: {
        "default/demo-1": pod(11, { app: "demo" }),
        "default/client": pod(12, { role: "client" }),
        "default/wren": pod(13, {}),
      },
    };
    const { notes, policies } = await planOf(modelOfObjects(cluster), { objects: examples, delete: false });
    expect(policies.every(({ change }) => change === "added")).toBe(true);
    expect(notes).toEqual([]);
    const decides = (from: string, to: string, port: number, protocol: "tcp" | "udp") => {
      const [path] = createExplainer(modelOfObjects({ ...cluster, policies: examples })).why({
        ...{ from, to, protocol },
        port: String(port),
      }).paths;
      const policy = path?.ingress.rules?.[0]?.policy ?? path?.ingress.isolatedBy?.[0];
      return `${path?.verdict} by ${policy?.kind}`;
    };
    expect(decides("default/client", "default/demo-1", 8080, "tcp")).toBe("allowed by NetworkPolicy");
    expect(decides("default/client", "default/demo-1", 8081, "tcp")).toBe("denied by NetworkPolicy");
    expect(decides("default/client", "default/demo-1", 8080, "udp")).toBe("denied by ClusterNetworkPolicy");
    expect(decides("default/wren", "default/demo-1", 8080, "tcp")).toBe("denied by AdminNetworkPolicy");
    expect(decides("default/client", "default/wren", 80, "tcp")).toBe("denied by BaselineAdminNetworkPolicy");
  });

  it("has the bands where ACLs stand, and no other", () => {
    const { allow, isolation } = networkPolicyPriorities;
    const range = (...ends: readonly number[]) => [...new Set([Math.min(...ends), Math.max(...ends)])].join("–");
    expect(
      table("band")
        .slice(1)
        .map(([name, priorities]) => [name, priorities]),
    ).toEqual([
      ["physical networks", range(infrastructurePriorities.physical)],
      ["services' guard", range(infrastructurePriorities.serviceGuard)],
      ["before all tiers", range(infrastructurePriorities.always, infrastructurePriorities.sctpHairpin)],
      ["shared Services of tenants", range(infrastructurePriorities.sharedAnswers)],
      ["Admin", range(adminPriorities.last, adminPriorities.first)],
      ["NetworkPolicy, allows", range(allow)],
      ["NetworkPolicy, isolation", range(isolation, isolation + 1)],
      ["Baseline", range(baselinePriorities.last, baselinePriorities.first)],
      ["after all tiers", range(...Object.values(lastPriorities))],
    ]);
    expect(document).toContain(`a slot of ${adminPriorities.slot} for each value`);
  });

  it("has every value of the annotation that asks for a log, and no other", () => {
    expect(document).toContain(logPolicyAnnotationKey);
    const values = table("annotation's value")
      .slice(1)
      .map(([value]) => value);
    expect(values).toEqual([...logPolicies]);
  });

  it("says how the log names policies of every kind", () => {
    const place = { direction: "ingress", rule: 0, piece: "ipv4-tcp", pass: undefined } as const;
    const names = kinds.map((kind) => logName({ kind: kind as "NetworkPolicy", key: "shop/web", ...place }));
    expect(document).toContain(`(${names.map((name) => name.split("/")[0]).join(", ")})`);
    expect(document).toContain(`\`${names[0]}\``);
    expect(document).toContain(`\`Meter\` \`${logMeter}\``);
  });

  it("has the owner of every kind of set, and the names of the groups", () => {
    const owners = table("rows")
      .slice(1)
      .map(([, owner = ""]) => owner.split("/")[0]);
    const ofSets = [
      addressSetOwner({ kind: "networks", blocks: [] }),
      addressSetOwner({ kind: "nodes", requirements: [] }),
      addressSetOwner({ kind: "domains", names: [] }),
    ].map(({ kind }) => kind);
    expect([...new Set(owners)].sort()).toEqual(["<kind>", "Node", "PodSelector", "Tenant", ...ofSets].sort());
    for (const { name } of [...Object.values(isolatedGroups), subjectsGroup]) expect(document).toContain(`\`${name}\``);
  });
});
