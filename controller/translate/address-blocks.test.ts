import { describe, expect, it } from "vitest";
import { cidrOf, parseAddressWithPrefix } from "../ipam/address.ts";
import type { AddressBlock } from "../state/policy.ts";
import { coverage, networkMembers, nodeMembers, type PolicyNode } from "./address-blocks.ts";

const block = (cidr: string, ...except: string[]): AddressBlock => ({ cidr, except });
const members = (blocks: readonly AddressBlock[], nodes: readonly PolicyNode[] = [], family: 4 | 6 = 4) =>
  networkMembers({ kind: "networks", blocks }, family, nodes);

const node: PolicyNode = {
  labels: { zone: "east" },
  internal: ["192.168.0.7", "fc00::7"],
  management: ["10.244.5.2", "fd00:10:244:5::2"],
};

describe("the networks that make up address blocks", () => {
  it.each([
    ["one is itself", [block("10.0.0.0/8")], ["10.0.0.0/8"]],
    ["a single address has no prefix length", [block("10.0.0.1/32")], ["10.0.0.1"]],
    ["an except is subtracted", [block("10.0.0.0/30", "10.0.0.1/32")], ["10.0.0.0", "10.0.0.2/31"]],
    ["an except of all leaves nothing", [block("10.0.0.0/24", "10.0.0.0/24")], []],
    ["excepts may overlap", [block("10.0.0.0/29", "10.0.0.0/30", "10.0.0.2/31")], ["10.0.0.4/30"]],
    [
      "an except subtracts from its own block only",
      [block("10.0.0.0/30", "10.0.0.0/31"), block("10.0.0.1/32")],
      ["10.0.0.1", "10.0.0.2/31"],
    ],
    ["neighbours are joined", [block("10.0.1.0/24"), block("10.0.0.0/24")], ["10.0.0.0/23"]],
    ["what is in another is in it", [block("10.0.0.0/8"), block("10.1.0.0/16")], ["10.0.0.0/8"]],
    ["everything", [block("0.0.0.0/0")], ["0.0.0.0/0"]],
    ["blocks of the other family are not in it", [block("fd00::/8")], []],
  ])("%s", (_, blocks, expected) => {
    expect(members(blocks)).toEqual(expected);
  });

  it("are as few for many excepts as they can be", () => {
    const excepts = Array.from({ length: 40 }, (_, index) => `10.${index}.0.0/16`);
    expect(members([block("10.0.0.0/8", ...excepts)])).toEqual([
      "10.40.0.0/13",
      "10.48.0.0/12",
      "10.64.0.0/10",
      "10.128.0.0/9",
    ]);
  });

  it("of IPv6", () => {
    expect(members([block("fd00::/126", "fd00::3/128")], [], 6)).toEqual(["fd00::/127", "fd00::2"]);
  });

  it("are those that are in each list", () => {
    const content = {
      kind: "networks",
      blocks: [block("10.0.0.0/8")],
      within: [[block("10.1.0.0/16", "10.1.2.0/24")]],
    } as const;
    expect(networkMembers(content, 4, [])).toEqual(members([block("10.1.0.0/16", "10.1.2.0/24")]));
  });
});

describe("a node's management address", () => {
  it("stands for the node where a block holds that", () => {
    expect(members([block("192.168.0.0/16")], [node])).toEqual(["10.244.5.2", "192.168.0.0/16"]);
  });

  it("is out where the node is excepted, though its own network is in", () => {
    const networks = members([block("0.0.0.0/0", "192.168.0.7/32")], [node]);
    expect(networks).not.toContain("0.0.0.0/0");
    expect(networks).toContain("10.244.5.3");
    expect(networks).not.toContain("10.244.5.2");
    expect(networks).not.toContain("10.244.5.2/31");
  });

  it("is an address as any other where no block holds the node", () => {
    expect(members([block("10.244.0.0/16")], [node])).toEqual(["10.244.0.0/16"]);
    expect(members([block("172.16.0.0/12")], [node])).toEqual(["172.16.0.0/12"]);
  });
});

describe("nodes", () => {
  it("are met at all of their addresses", () => {
    const east = [{ key: "zone", operator: "In", values: ["east"] }] as const;
    expect(nodeMembers(east, 4, [node, { ...node, labels: {} }])).toEqual(["10.244.5.2", "192.168.0.7"]);
    expect(nodeMembers(east, 6, [node])).toEqual(["fc00::7", "fd00:10:244:5::2"]);
  });
});

describe("blocks and the cluster's network", () => {
  const parsed = parseAddressWithPrefix("10.244.0.0/16");
  it.each([
    ["all", [block("10.0.0.0/8")]],
    ["all", [block("10.244.0.0/17"), block("10.244.128.0/17")]],
    ["some", [block("10.0.0.0/8", "10.244.7.0/24")]],
    ["none", [block("192.168.0.0/16"), block("fd00::/8")]],
  ] as const)("hold %s of it", (expected, blocks) => {
    expect(parsed && coverage(blocks, cidrOf(parsed, parsed.prefixLength))).toBe(expected);
  });
});
