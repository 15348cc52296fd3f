import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  getLink,
  inNamespace,
  listGuardedDevices,
  listRoutes,
  NetlinkError,
  openNetfilterSocket,
  openRouteSocket,
  setSysctl,
} from "../netlink/index.ts";
import { createPodLinks, hostDeviceName, type PodLinks } from "./index.ts";

const run = (...command: readonly string[]): string =>
  execFileSync(command[0] ?? "", command.slice(1), { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

const settings = {
  alias: "default/web-0",
  mac: "0a:58:0a:f4:00:03",
  mtuBytes: 1400,
  addresses: ["10.244.0.3/24", "fd00:10:244::3/64"],
  gateways: ["10.244.0.1", "fd00:10:244::1"],
};

let node: string;
let pod: string;
let links: PodLinks | undefined;

const pathOf = (namespace: string) => `/var/run/netns/${namespace}`;

beforeEach(() => {
  node = `obt-node-${randomBytes(4).toString("hex")}`;
  pod = `obt-pod-${randomBytes(4).toString("hex")}`;
  for (const namespace of [node, pod]) run("ip", "netns", "add", namespace);
});

afterEach(() => {
  links?.close();
  for (const namespace of [pod, node]) run("ip", "netns", "delete", namespace);
});

function make(datapath: "netdev" | "system"): PodLinks {
  links = createPodLinks({ datapath: () => datapath, namespace: pathOf(node) });
  return links;
}

const target = () => ({ hostDevice: hostDeviceName("c1", "eth0"), netns: pathOf(pod), ifname: "eth0" });

const guarded = () => {
  using filter = openNetfilterSocket(pathOf(node));
  return listGuardedDevices(filter);
};

const offload = () => /tx-checksumming: (\w+)/.exec(run("ip", "netns", "exec", pod, "ethtool", "-k", "eth0"))?.[1];

describe("a pod's interface", () => {
  it("is as the controller said, and its host's end has no address of its own", async () => {
    const all = make("netdev");
    all.create(target());
    all.configure(target(), settings);
    expect(all.inspect(pathOf(pod), "eth0")).toEqual({
      mac: settings.mac,
      mtuBytes: 1400,
      up: true,
      peerIndex: all.host(target().hostDevice)?.index,
      addresses: settings.addresses,
      routes: [
        { destination: "0.0.0.0/0", gateway: settings.gateways[0] },
        { destination: "::/0", gateway: settings.gateways[1] },
      ],
    });
    expect(all.isHost(`/run/netns/${node}`)).toBe(true);
    expect(all.isHost(pathOf(pod))).toBe(false);
    expect(all.host(target().hostDevice)).toMatchObject({ up: true, mtuBytes: 1400, alias: "default/web-0" });
    expect(run("ip", "-n", node, "-6", "address", "show", "dev", target().hostDevice)).toBe("");
    using inside = openRouteSocket(pathOf(pod));
    expect(listRoutes(inside)).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ destination: "0.0.0.0/0", gateway: "10.244.0.1" }),
        expect.objectContaining({ destination: "::/0", gateway: "fd00:10:244::1" }),
      ]),
    );
    expect(getLink(inside, "lo")?.up).toBe(true);
    expect(await all.remove(target().hostDevice)).toBe(true);
    expect(await all.remove(target().hostDevice)).toBe(false);
    expect(all.inspect(pathOf(pod), "eth0")).toBeUndefined();
  });

  it("is guarded, and computes its checksums, for the userspace datapath only", () => {
    const user = make("netdev");
    user.create(target());
    user.configure(target(), settings);
    expect([guarded(), offload()]).toEqual([[target().hostDevice], "off"]);
    user.close();
    run("ip", "-n", node, "link", "delete", target().hostDevice);
    make("system").sweepGuards();
    links?.create(target());
    links?.configure(target(), settings);
    expect([guarded(), offload()]).toEqual([[], "on"]);
  });

  it("gets its IPv6 address also where the runtime has switched IPv6 off", () => {
    setSysctl("ipv6/conf/all/disable_ipv6", 1, pathOf(pod));
    setSysctl("ipv6/conf/default/disable_ipv6", 1, pathOf(pod));
    const all = make("netdev");
    all.create(target());
    all.configure(target(), settings);
    expect(all.inspect(pathOf(pod), "eth0")?.addresses).toEqual(settings.addresses);
    const value = inNamespace(pathOf(pod), () => readFileSync("/proc/sys/net/ipv6/conf/eth0/accept_ra", "utf8"));
    expect(value.trim()).toBe("0");
  });

  it("reaches a gateway outside its own prefix", () => {
    const all = make("netdev");
    all.create(target());
    all.configure(target(), { ...settings, addresses: ["10.244.0.3/32"], gateways: ["169.254.1.1"] });
    expect(run("ip", "-n", pod, "route", "show", "default")).toMatch(/via 169\.254\.1\.1 dev eth0 .*onlink/);
  });

  it("bears addresses that are one of a kind in the cluster, and speaks from them where it is told to", () => {
    const all = make("netdev");
    all.create(target());
    const infrastructure = ["100.80.0.3", "fd97::3"];
    all.configure(target(), {
      ...settings,
      addresses: ["10.10.0.3/16", "fd00:10::3/64"],
      gateways: ["10.10.0.1", "fd00:10::1"],
      infrastructure,
      routes: [
        { destination: "0.0.0.0/0", gateway: "10.10.0.1", source: "100.80.0.3" },
        { destination: "10.96.0.0/16", gateway: "100.80.0.1", source: "100.80.0.3" },
        { destination: "fd00:10:96::/112", gateway: "fd00:10::1", source: "fd97::3" },
      ],
    });
    expect(all.inspect(pathOf(pod), "eth0")?.addresses).toEqual(
      expect.arrayContaining(["10.10.0.3/16", "100.80.0.3/32", "fd00:10::3/64", "fd97::3/128"]),
    );
    const source = (address: string) => / src (\S+)/.exec(run("ip", "-n", pod, "route", "get", address))?.[1];
    expect(["8.8.8.8", "10.96.0.10", "10.10.0.9", "fd00:10:96::a", "2001:db8::1"].map(source)).toEqual([
      "100.80.0.3",
      "100.80.0.3",
      "10.10.0.3",
      "fd97::3",
      "fd00:10::3",
    ]);
    expect(run("ip", "-n", pod, "route", "show", "default").trim().split("\n")).toHaveLength(1);
  });

  it("leaves nothing when the pod has one of that name", () => {
    const all = make("netdev");
    run("ip", "-n", pod, "link", "add", "eth0", "type", "veth", "peer", "name", "other0");
    expect(() => all.create(target())).toThrow(NetlinkError);
    expect(all.hostDevices().size).toBe(0);
    expect(guarded()).toEqual([]);
  });

  it("is known as ours by its name and kind", () => {
    const all = make("netdev");
    run("ip", "-n", node, "link", "add", "ovb0123456789ab", "type", "bridge");
    run("ip", "-n", node, "link", "add", "veth0", "type", "veth", "peer", "name", "veth1");
    all.create(target());
    expect([...all.hostDevices()]).toEqual([target().hostDevice]);
    expect(target().hostDevice).toHaveLength(15);
    expect(hostDeviceName("c1", "eth0")).not.toBe(hostDeviceName("c1", "eth1"));
  });
});
