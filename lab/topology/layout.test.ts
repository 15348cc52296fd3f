import { describe, expect, it } from "vitest";
import { hostPort, labConfig, layoutOf } from "./layout.ts";

const config = labConfig.parse({ name: "a", nodes: 2, families: ["ipv4", "ipv6"], apiPort: 6443, demoPods: true });

describe("layout", () => {
  it("gives every host an address of each family", () => {
    const { nodes, central, outside } = layoutOf(config, "/state/a");
    expect(nodes.map(({ addresses }) => addresses)).toEqual([
      ["172.18.0.11", "fd00:172:18::b"],
      ["172.18.0.12", "fd00:172:18::c"],
    ]);
    expect(new Set([central, outside, ...nodes].flatMap(({ addresses }) => addresses)).size).toBe(8);
  });

  it("follows the families that were asked for", () => {
    const layout = layoutOf({ ...config, families: ["ipv6"] }, "/state/a");
    expect(layout.clusterCidrs).toEqual(["fd00:10:244::/48"]);
    expect(layout.nodes[0]?.addresses).toEqual(["fd00:172:18::b"]);
  });

  it("has a trunk only where it was asked for, with addresses of its own for everybody on it", () => {
    expect(layoutOf(config, "/state/a").trunk).toBeUndefined();
    const { trunk } = layoutOf({ ...config, trunk: true }, "/state/a");
    expect(trunk?.nodeAddresses).toEqual([
      ["172.19.0.11", "fd00:172:19::b"],
      ["172.19.0.12", "fd00:172:19::c"],
    ]);
    expect(trunk?.hosts.map(({ name, addresses, gateways }) => [name, ...addresses, ...gateways])).toEqual([
      ["vlan100", "172.30.100.10", "fd00:172:30:100::a", "172.30.100.1", "fd00:172:30:100::1"],
      ["vlan200", "172.30.200.10", "fd00:172:30:200::a", "172.30.200.1", "fd00:172:30:200::1"],
    ]);
  });

  it.each(["a", "a-b", "lab2"])("takes the name %s", (name) => {
    expect(labConfig.safeParse({ ...config, name }).success).toBe(true);
  });

  it.each(["", "A", "2lab", "a-", "a.b", "a/b", "x".repeat(16)])("refuses the name %j", (name) => {
    expect(labConfig.safeParse({ ...config, name }).success).toBe(false);
  });

  it("refuses a state folder in which unix sockets can't be bound", () => {
    expect(() => layoutOf(config, `/${"x".repeat(80)}`)).toThrow("OVENBIRD_LAB_STATE_DIR");
  });

  it("brackets IPv6 addresses before a port", () => {
    expect(hostPort("fd00::1", 80)).toBe("[fd00::1]:80");
    expect(hostPort("10.0.0.1", 80)).toBe("10.0.0.1:80");
  });
});
