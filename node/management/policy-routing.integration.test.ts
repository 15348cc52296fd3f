import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import type { NodeNetworkAnnotation } from "@ovenbird/kube";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { getLink, type Link, openRouteSocket, type RouteSocket } from "../netlink/index.ts";
import { applyPolicyRouting, type HostServices } from "./index.ts";

let name: string;
let socket: RouteSocket;

const ip = (...args: readonly string[]): string =>
  execFileSync("ip", ["-n", name, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

const network: NodeNetworkAnnotation = {
  index: 0,
  subnets: ["10.244.0.0/24", "fd00:10:244::/64"],
  managementPort: {
    port: "management.node-a",
    mac: "0a:58:0a:f4:00:02",
    addresses: ["10.244.0.2/24", "fd00:10:244::2/64"],
    gateways: ["10.244.0.1", "fd00:10:244::1"],
  },
  routes: [],
  nodePorts: { first: 30_000, last: 32_767 },
  mtuBytes: 1400,
};
const services: HostServices = {
  ownAddresses: ["192.0.2.11", "2001:db8::11"],
  healthCheckPorts: [30_999],
  routedAddresses: [],
  takenPorts: [{ address: "192.0.2.12", protocol: "udp", port: 53 }],
};
const none: HostServices = { ownAddresses: [], healthCheckPorts: [], routedAddresses: [], takenPorts: [] };

beforeEach(() => {
  name = `obt-policy-${randomBytes(4).toString("hex")}`;
  execFileSync("ip", ["netns", "add", name]);
  ip("link", "set", "lo", "up");
  for (const [link, addresses] of [
    ["ovenbird0", network.managementPort.addresses],
    ["br-ex", ["192.0.2.11/24", "2001:db8::11/64"]],
  ] as const) {
    addLink(link);
    for (const address of addresses) {
      ip("address", "add", address, "dev", link, ...(address.includes(":") ? ["nodad"] : []));
    }
  }
  socket = openRouteSocket(`/var/run/netns/${name}`);
});

afterEach(() => {
  socket.close();
  execFileSync("ip", ["netns", "delete", name]);
});

function addLink(link: string): void {
  ip("link", "add", link, "type", "veth", "peer", "name", `${link}-far`);
  for (const end of [link, `${link}-far`]) ip("link", "set", end, "up");
}

function device(): Link {
  const link = getLink(socket, "ovenbird0");
  if (!link) throw new Error("no ovenbird0");
  return link;
}

/** The device that a packet of the host leaves by, and its source. */
function way(address: string, protocol: string, port: number): string {
  const line = ip("route", "get", address, "ipproto", protocol, "dport", String(port));
  return `${/dev (\S+)/.exec(line)?.[1]} ${/src (\S+)/.exec(line)?.[1]}`;
}

describe("the host's way to Services", () => {
  it("leads NodePorts at its own addresses to OVN, and leaves it its other ports and its health checks", () => {
    applyPolicyRouting(socket, device(), network, services);
    for (const [own, management] of [
      ["192.0.2.11", "10.244.0.2"],
      ["2001:db8::11", "fd00:10:244::2"],
    ] as const) {
      for (const protocol of ["tcp", "udp"]) {
        expect(way(own, protocol, 30_080)).toBe(`ovenbird0 ${management}`);
        expect(way(own, protocol, 32_767)).toBe(`ovenbird0 ${management}`);
        expect(way(own, protocol, 22)).toBe(`lo ${own}`);
      }
      expect(way(own, "tcp", 30_999)).toBe(`lo ${own}`);
    }
  });

  it("takes of another node's address only the ports that a Service claims there", () => {
    applyPolicyRouting(socket, device(), network, services);
    expect(way("192.0.2.12", "udp", 53)).toBe("ovenbird0 10.244.0.2");
    expect(way("192.0.2.12", "tcp", 53)).toBe("br-ex 192.0.2.11");
    expect(way("192.0.2.12", "tcp", 30_080)).toBe("br-ex 192.0.2.11");
  });

  it("sends what the management address answers back through OVN, wherever it goes", () => {
    applyPolicyRouting(socket, device(), network, services);
    expect(ip("route", "get", "192.0.2.1", "from", "10.244.0.2")).toContain("via 10.244.0.1 dev ovenbird0");
    expect(ip("route", "get", "2001:db8::1", "from", "fd00:10:244::2")).toContain("dev ovenbird0");
  });

  it("is made once, and again whatever of it somebody took away", () => {
    const state = () => ip("rule") + ip("-6", "rule") + ip("route", "show", "table", "9099");
    applyPolicyRouting(socket, device(), network, services);
    const before = state();
    applyPolicyRouting(socket, device(), network, services);
    expect(state()).toBe(before);
    ip("rule", "delete", "priority", "100");
    ip("-6", "rule", "delete", "priority", "200");
    ip("rule", "add", "priority", "0", "lookup", "local");
    ip("route", "flush", "table", "9099");
    applyPolicyRouting(socket, device(), network, services);
    expect(state().split("\n").sort()).toEqual(before.split("\n").sort());
  });

  it("keeps the rules while Services aren't known yet, and takes them away when none needs them", () => {
    applyPolicyRouting(socket, device(), network, services);
    applyPolicyRouting(socket, device(), network, undefined);
    expect(way("192.0.2.11", "tcp", 30_080)).toBe("ovenbird0 10.244.0.2");
    applyPolicyRouting(socket, device(), network, none);
    expect(way("192.0.2.11", "tcp", 30_080)).toBe("lo 192.0.2.11");
    for (const family of ["-4", "-6"]) {
      expect(ip(family, "rule")).toMatch(/^0:\tfrom all lookup local\n32000:/);
    }
  });

  it("knows the table's routes of a device that was made anew", () => {
    applyPolicyRouting(socket, device(), network, services);
    ip("link", "delete", "ovenbird0");
    expect(way("192.0.2.11", "tcp", 30_080)).toBe("lo 192.0.2.11");
    addLink("ovenbird0");
    ip("address", "add", "10.244.0.2/24", "dev", "ovenbird0");
    ip("address", "add", "fd00:10:244::2/64", "dev", "ovenbird0", "nodad");
    applyPolicyRouting(socket, device(), network, services);
    expect(way("192.0.2.11", "tcp", 30_080)).toBe("ovenbird0 10.244.0.2");
    expect(way("2001:db8::11", "tcp", 30_080)).toBe("ovenbird0 fd00:10:244::2");
  });
});
