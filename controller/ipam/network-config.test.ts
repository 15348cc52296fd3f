import { describe, expect, it } from "vitest";
import { type NetworkConfigProblemCode, networkConfigProblemCodes, parseNetworkConfig } from "./network-config.ts";

function parsed(input: unknown) {
  const result = parseNetworkConfig(input);
  if (result.kind === "invalid") throw new Error(JSON.stringify(result.problems));
  return result.network;
}

/** What is wrong, and what is to be said of it. */
const wrong: readonly (readonly [string, unknown, NetworkConfigProblemCode, RegExp])[] = [
  ["an unknown field", { clusterCIDR: "10.0.0.0/16" }, "INVALID_VALUE", /clusterCIDR/],
  ["a number for a network", { clusterCidr: 10 }, "INVALID_VALUE", /./],
  ["text that is no network", { clusterCidr: "ten dot zero" }, "INVALID_CIDR", /"ten dot zero"/],
  ["no network at all", { clusterCidr: "" }, "INVALID_CIDR", /no network/],
  ["a prefix too long", { clusterCidr: "10.0.0.0/33" }, "INVALID_CIDR", /10\.0\.0\.0\/33/],
  [
    "an address beyond the prefix",
    { clusterCidr: "10.244.1.0/16" },
    "HOST_BITS_SET",
    /the network is 10\.244\.0\.0\/16/,
  ],
  ["loopback", { clusterCidr: "127.1.0.0/16" }, "CIDR_NOT_USABLE", /127\.0\.0\.0\/8/],
  ["multicast", { clusterCidr: "ff00::/48" }, "CIDR_NOT_USABLE", /ff00::\/8/],
  ["everything", { clusterCidr: "0.0.0.0/0" }, "CIDR_NOT_USABLE", /./],
  ["two networks of a family", { clusterCidr: "10.0.0.0/16,10.1.0.0/16" }, "FAMILY_REPEATED", /10\.1\.0\.0\/16/],
  [
    "a join network inside of the cluster's",
    { clusterCidr: "10.0.0.0/8", nodePrefix: 24, joinCidr: "10.64.0.0/16", serviceCidr: "" },
    "OVERLAPPING_CIDRS",
    /10\.64\.0\.0\/16 overlaps the cluster's 10\.0\.0\.0\/8/,
  ],
  ["blocks larger than the network", { clusterCidr: "10.0.0.0/24", nodePrefix: 20 }, "NODE_PREFIX_OUT_OF_RANGE", /20/],
  ["blocks too small", { clusterCidr: "10.0.0.0/16", nodePrefix: 30 }, "NODE_PREFIX_OUT_OF_RANGE", /between 16 and 29/],
  [
    "a block's prefix that is no number",
    { clusterCidr: "10.0.0.0/16", nodePrefix: "x" },
    "NODE_PREFIX_OUT_OF_RANGE",
    /./,
  ],
  ["one prefix for two families", { nodePrefix: "24" }, "NODE_PREFIX_MISSING", /fd00:10:244::\/48/],
  ["no join network of a family", { joinCidr: "100.64.0.0/16" }, "JOIN_CIDR_MISSING", /IPv6/],
  ["a join network without room", { joinCidr: "100.64.0.0/31,fd98::/64" }, "JOIN_CIDR_TOO_SMALL", /100\.64\.0\.0\/31/],
  [
    "a service network inside of the cluster's",
    { clusterCidr: "10.0.0.0/8", nodePrefix: 24 },
    "OVERLAPPING_CIDRS",
    /services' network 10\.96\.0\.0\/16 overlaps 10\.0\.0\.0\/8/,
  ],
  ["no infrastructure network of a family", { infrastructureCidr: "fd97::/64" }, "INFRASTRUCTURE_CIDR_MISSING", /IPv4/],
  [
    "an infrastructure network without room",
    { infrastructureCidr: "100.80.0.0/16,fd97::/64" },
    "INFRASTRUCTURE_CIDR_TOO_SMALL",
    /100\.80\.0\.0\/16 is longer than \/15/,
  ],
  [
    "an infrastructure network inside of the join network",
    { joinCidr: "100.64.0.0/10,fd98::/64" },
    "OVERLAPPING_CIDRS",
    /infrastructure network 100\.80\.0\.0\/12 overlaps 100\.64\.0\.0\/10/,
  ],
  ["node ports that are no range", { nodePortRange: "30000" }, "INVALID_PORT_RANGE", /"30000"/],
  ["node ports the wrong way round", { nodePortRange: "32000-31000" }, "INVALID_PORT_RANGE", /32000-31000/],
  ["node ports among the hosts' own", { nodePortRange: "30000-40000" }, "INVALID_PORT_RANGE", /1-32767/],
  ["an MTU too small for IPv6", { mtuBytes: 1000 }, "INVALID_MTU", /1280/],
  ["an MTU that is none", { clusterCidr: "10.0.0.0/16", mtuBytes: 70_000 }, "INVALID_MTU", /65535/],
];

describe("the network configuration", () => {
  for (const [what, input, code, message] of wrong) {
    it(`refuses ${what} with ${code}`, () => {
      const result = parseNetworkConfig(input);
      expect(result.kind).toBe("invalid");
      const problems = result.kind === "invalid" ? result.problems : [];
      expect(problems.map((problem) => problem.code)).toEqual([code]);
      expect(problems[0]?.message).toMatch(message);
    });
  }

  it("has a test for each of its codes", () => {
    expect([...new Set(wrong.map(([, , code]) => code))].sort()).toEqual(Object.keys(networkConfigProblemCodes).sort());
  });

  it("tells of everything that is wrong at once", () => {
    const result = parseNetworkConfig({ clusterCidr: "x,10.0.0.1/16", mtuBytes: 1 });
    expect(result.kind === "invalid" && result.problems.map(({ code }) => code)).toEqual([
      "INVALID_CIDR",
      "HOST_BITS_SET",
      "INVALID_MTU",
    ]);
  });

  it("is dual stack by default, IPv4 first whatever the order given", () => {
    expect(parsed({}).families.map(({ cluster }) => cluster.text)).toEqual(["10.244.0.0/16", "fd00:10:244::/48"]);
    expect(parsed({ clusterCidr: ["fd00::/48", "10.0.0.0/16"] }).families.map(({ family }) => family)).toEqual([4, 6]);
  });

  it("serves a single family with the defaults of the rest", () => {
    const [family, ...others] = parsed({ clusterCidr: "fd00::/56" }).families;
    expect(others).toEqual([]);
    expect(family).toMatchObject({ family: 6, nodePrefixLength: 64, join: { text: "fd98::/64" } });
    expect(parsed({ clusterCidr: "fd00::/56" }).infrastructure.map(({ text }) => text)).toEqual(["fd97::/64"]);
    expect(parsed({ clusterCidr: "10.0.0.0/16", nodePrefix: "25" }).families[0]?.nodePrefixLength).toBe(25);
  });

  it("has as many nodes as the smallest network has room for", () => {
    expect(parsed({}).maxNodes).toBe(256);
    expect(parsed({ clusterCidr: "11.0.0.0/8,fd01::/40" }).maxNodes).toBe(65_533);
    expect(parsed({ joinCidr: "100.64.0.0/28,fd98::/64" }).maxNodes).toBe(13);
    expect(parsed({ clusterCidr: "10.0.0.0/24" }).maxNodes).toBe(1);
  });
});
