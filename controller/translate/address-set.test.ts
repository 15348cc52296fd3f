import { describe, expect, it } from "vitest";
import { podSelector, type Requirement } from "../state/selector.ts";
import { addressSet, addressSetBundle, canHold, contentText } from "./address-set.ts";
import { podGroup, podSelectorBundle } from "./pod-group.ts";
import type { AddressSetContent } from "./policy-sets.ts";

const east: Requirement = { key: "zone", operator: "In", values: ["east"] };
const web = podSelector({ namespace: "shop", podRequirements: [{ key: "app", operator: "In", values: ["web"] }] });
const networks = (...cidrs: string[]): AddressSetContent => ({
  kind: "networks",
  blocks: cidrs.map((cidr) => ({ cidr, except: [] })),
});

describe("contents of address sets", () => {
  it("that say the same are one, whatever their order", () => {
    expect(contentText(networks("10.0.0.0/8", "fd00::/8"))).toBe(
      contentText(networks("fd00::/8", "10.0.0.0/8", "10.0.0.0/8")),
    );
    expect(contentText({ kind: "domains", names: ["b.test", "a.test", "b.test"] })).toBe("a.test, b.test");
    expect(contentText({ kind: "nodes", requirements: [east, east] })).toBe("zone=east");
  });

  it("tell excepts from blocks, and what is in all lists from what is in one", () => {
    const all = { cidr: "10.0.0.0/8", except: [] };
    const part = { cidr: "10.1.0.0/16", except: ["10.1.1.0/24"] };
    const texts = [
      { kind: "networks", blocks: [all, part] },
      { kind: "networks", blocks: [all], within: [[part]] },
      { kind: "networks", blocks: [all, { ...part, except: [] }] },
    ] as const;
    expect(texts.map(contentText)).toEqual([
      "10.0.0.0/8, 10.1.0.0/16 - 10.1.1.0/24",
      "10.0.0.0/8 & 10.1.0.0/16 - 10.1.1.0/24",
      "10.0.0.0/8, 10.1.0.0/16",
    ]);
    expect(contentText({ kind: "networks", blocks: [part], within: [[all]] })).toBe(contentText(texts[1]));
  });

  it("can't hold a family of which they have no network", () => {
    expect([4, 6].map((family) => canHold(networks("10.0.0.0/8"), family as 4 | 6))).toEqual([true, false]);
    expect(canHold({ kind: "domains", names: ["a.test"] }, 6)).toBe(true);
  });
});

describe("names", () => {
  it("follow from what is selected, and are of a length that OVN and people can bear", () => {
    const { name } = podGroup(web);
    expect(name).toMatch(/^pods_[0-9a-f]{16}$/);
    expect(addressSet({ kind: "pods", selector: web }, 6).name).toBe(`${name}.ipv6`);
    expect(addressSet(networks("10.0.0.0/8"), 4).name).toMatch(/^networks_[0-9a-f]{16}\.ipv4$/);
    expect(addressSet(networks("10.0.0.0/8"), 4).owner).toMatch(/^AddressBlocks\/[0-9a-f]{32}#ipv4$/);
    expect(podGroup(podSelector({ namespace: "shop" })).name).not.toBe(name);
  });
});

describe("rows", () => {
  it("of a selector are those that are used", () => {
    const { rows } = podSelectorBundle(web, { group: true, families: [6] });
    expect(rows.map(({ table, columns }) => [table, columns])).toEqual([
      ["Port_Group", { name: podGroup(web).name, external_ids: { "ovenbird.io/selects": "shop{}/{app=web}" } }],
      [
        "Address_Set",
        { name: `${podGroup(web).name}.ipv6`, external_ids: { "ovenbird.io/selects": "shop{}/{app=web}" } },
      ],
    ]);
    expect(rows[1]?.uuid).toBe(addressSet({ kind: "pods", selector: web }, 6).uuid);
  });

  it("of other contents come with their members", () => {
    const content = { kind: "nodes", requirements: [east] } as const;
    const { rows, memberships } = addressSetBundle(content, { 4: ["192.168.0.7", "10.244.5.2"] });
    expect(rows.map(({ owner }) => owner)).toEqual([addressSet(content, 4).owner]);
    expect(memberships.map(({ row, member }) => [row, member])).toEqual([
      [rows[0]?.uuid, "192.168.0.7"],
      [rows[0]?.uuid, "10.244.5.2"],
    ]);
  });
});
