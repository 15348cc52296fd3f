import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  addAddress,
  createVeth,
  deleteAddress,
  deleteLink,
  deleteRoute,
  disableTxOffload,
  getLink,
  guardDevice,
  inNamespace,
  listAddresses,
  listGuardedDevices,
  listLinks,
  listRoutes,
  NetlinkError,
  openNetfilterSocket,
  openRouteSocket,
  replaceNeighbor,
  replaceRoute,
  setLink,
  setSysctl,
  unguardDevice,
  watchNetwork,
} from "./index.ts";

const run = (...command: readonly string[]): string =>
  execFileSync(command[0] ?? "", command.slice(1), { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

/** Two namespaces: `node` plays the host's part, so that the machine's own namespace stays as it is. */
let node: { name: string; path: string };
let pod: { name: string; path: string };

function makeNamespace(kind: string) {
  const name = `obt-${kind}-${randomBytes(4).toString("hex")}`;
  run("ip", "netns", "add", name);
  return { name, path: `/var/run/netns/${name}` };
}

beforeEach(() => {
  node = makeNamespace("node");
  pod = makeNamespace("pod");
});

afterEach(() => {
  for (const { name } of [pod, node]) run("ip", "netns", "delete", name);
});

const vethEnds = () =>
  [
    { name: "host0", mtuBytes: 1400 },
    { name: "eth0", mtuBytes: 1400, mac: "0a:58:0a:f4:00:03", namespace: pod.path },
  ] as const;

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    if (error instanceof NetlinkError) return error.code;
    throw error;
  }
}

describe("a veth pair", () => {
  it("is made with its other end in the pod's namespace under its name, hardware address and MTU", () => {
    using here = openRouteSocket(node.path);
    using there = openRouteSocket(pod.path);
    createVeth(here, ...vethEnds());
    expect(getLink(here, "host0")).toMatchObject({ kind: "veth", mtuBytes: 1400, up: false });
    expect(getLink(there, "eth0")).toMatchObject({
      kind: "veth",
      mtuBytes: 1400,
      mac: "0a:58:0a:f4:00:03",
      peerIndex: getLink(here, "host0")?.index,
    });
    expect(getLink(here, "eth0")).toBeUndefined();
  });

  it("is refused with EEXIST when the pod has such an interface, and nothing is left on the host", () => {
    using here = openRouteSocket(node.path);
    createVeth(here, ...vethEnds());
    const [end, peer] = vethEnds();
    expect(codeOf(() => createVeth(here, { ...end, name: "host1" }, peer))).toBe("EEXIST");
    expect(getLink(here, "host1")).toBeUndefined();
  });

  it("goes with either end", () => {
    using here = openRouteSocket(node.path);
    using there = openRouteSocket(pod.path);
    createVeth(here, ...vethEnds());
    deleteLink(here, "host0");
    expect(getLink(there, "eth0")).toBeUndefined();
    expect(codeOf(() => deleteLink(here, "host0"))).toBe("ENODEV");
  });

  it("costs less than a millisecond", () => {
    using here = openRouteSocket(node.path);
    const startedAt = performance.now();
    for (let count = 0; count < 20; count += 1) {
      const [end, peer] = vethEnds();
      createVeth(
        here,
        { ...end, name: `host${count}` },
        { ...peer, name: `eth${count}`, mac: `0a:58:00:00:00:0${count % 10}` },
      );
    }
    const meanMs = (performance.now() - startedAt) / 20;
    expect(meanMs).toBeLessThan(5);
    expect(listLinks(here).filter((link) => link.kind === "veth")).toHaveLength(20);
  });
});

describe("addresses and routes", () => {
  it("stand at once: an IPv6 address without duplicate detection, default routes of both families", () => {
    using here = openRouteSocket(node.path);
    using there = openRouteSocket(pod.path);
    createVeth(here, ...vethEnds());
    setLink(here, "host0", { up: true });
    setLink(there, "eth0", { up: true });
    addAddress(there, "eth0", "10.244.0.3/24");
    addAddress(there, "eth0", "fd00:10:244::3/64", { noDad: true });
    replaceRoute(there, { destination: "0.0.0.0/0", gateway: "10.244.0.1", link: "eth0", mtuBytes: 1300 });
    replaceRoute(there, { destination: "::/0", gateway: "fd00:10:244::1", link: "eth0" });
    const index = getLink(there, "eth0")?.index ?? 0;
    const addresses = listAddresses(there, index).filter((address) => address.scope === "global");
    expect(addresses).toEqual([
      { linkIndex: index, address: "10.244.0.3/24", scope: "global", permanent: true, usable: true },
      { linkIndex: index, address: "fd00:10:244::3/64", scope: "global", permanent: true, usable: true },
    ]);
    expect(listRoutes(there)).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ destination: "0.0.0.0/0", gateway: "10.244.0.1", mtuBytes: 1300, linkIndex: index }),
        expect.objectContaining({ destination: "::/0", gateway: "fd00:10:244::1", linkIndex: index, protocol: 4 }),
      ]),
    );
    // Once more changes nothing: every call says how it shall be.
    addAddress(there, "eth0", "10.244.0.3/24");
    replaceRoute(there, { destination: "0.0.0.0/0", gateway: "10.244.0.1", link: "eth0", mtuBytes: 1300 });
    expect(listRoutes(there).filter((route) => route.destination === "0.0.0.0/0")).toHaveLength(1);
    expect(deleteRoute(there, { destination: "0.0.0.0/0", gateway: "10.244.0.1", link: "eth0" })).toBe(true);
    expect(deleteRoute(there, { destination: "0.0.0.0/0", gateway: "10.244.0.1", link: "eth0" })).toBe(false);
    expect(deleteAddress(there, "eth0", "10.244.0.3/24")).toBe(true);
    expect(deleteAddress(there, "eth0", "10.244.0.3/24")).toBe(false);
  });

  it("reach a gateway outside the link's prefixes by an on-link route, and a network by the link alone", () => {
    using here = openRouteSocket(node.path);
    using there = openRouteSocket(pod.path);
    createVeth(here, ...vethEnds());
    setLink(here, "host0", { up: true });
    setLink(there, "eth0", { up: true });
    addAddress(there, "eth0", "10.244.0.3/32");
    replaceRoute(there, { destination: "0.0.0.0/0", gateway: "169.254.1.1", link: "eth0", onLink: true });
    replaceRoute(there, { destination: "10.96.0.0/12", link: "eth0", source: "10.244.0.3", table: 100, metric: 50 });
    replaceNeighbor(there, "eth0", "169.254.1.1", "02:00:00:00:00:01");
    expect(run("ip", "-n", pod.name, "route", "show", "default")).toContain("via 169.254.1.1 dev eth0");
    expect(listRoutes(there).find(({ destination }) => destination === "0.0.0.0/0")).toMatchObject({
      ...{ gateway: "169.254.1.1", onLink: true },
    });
    expect(listRoutes(there, 100)).toMatchObject([{ destination: "10.96.0.0/12", source: "10.244.0.3", metric: 50 }]);
    expect(run("ip", "-n", pod.name, "neigh")).toContain("02:00:00:00:00:01 PERMANENT");
    expect(codeOf(() => replaceRoute(there, { destination: "0.0.0.0/0", gateway: "192.0.2.1" }))).toBe("ENETUNREACH");
  });

  it("are listed in full, however many there are", () => {
    using here = openRouteSocket(node.path);
    setLink(here, "lo", { up: true });
    for (let count = 0; count < 600; count += 1) addAddress(here, "lo", `10.9.${count >> 8}.${count & 255}/32`);
    expect(listAddresses(here).filter((address) => address.address.startsWith("10.9."))).toHaveLength(600);
  });
});

describe("another namespace", () => {
  it("is left again, also when something in it fails", () => {
    const own = run("readlink", "/proc/self/ns/net");
    expect(() =>
      inNamespace(pod.path, () => {
        throw new Error("in the pod");
      }),
    ).toThrow("in the pod");
    expect(codeOf(() => inNamespace("/var/run/netns/obt-none", () => 1))).toBe("ENOENT");
    expect(codeOf(() => inNamespace("/dev/null", () => 1))).toBe("EINVAL");
    const pipe = `/tmp/obt-pipe-${randomBytes(4).toString("hex")}`;
    run("mkfifo", pipe);
    expect(codeOf(() => inNamespace(pipe, () => 1))).toBe("EINVAL");
    rmSync(pipe);
    expect(run("readlink", "/proc/self/ns/net")).toBe(own);
    using here = openRouteSocket();
    expect(getLink(here, "lo")?.loopback).toBe(true);
  });

  it("takes settings of its own", () => {
    using here = openRouteSocket(node.path);
    createVeth(here, ...vethEnds());
    setSysctl("ipv6/conf/host0/disable_ipv6", 1, node.path);
    const value = inNamespace(node.path, () => readFileSync("/proc/sys/net/ipv6/conf/host0/disable_ipv6", "utf8"));
    expect(value.trim()).toBe("1");
    expect(codeOf(() => setSysctl("ipv6/conf/none/disable_ipv6", 1, node.path))).toBe("ENOENT");
  });

  it("leaks no descriptors", () => {
    const count = () => Number(run("sh", "-c", `ls /proc/${process.pid}/fd | wc -l`));
    openRouteSocket(pod.path).close();
    const before = count();
    for (let round = 0; round < 50; round += 1) {
      openRouteSocket(pod.path).close();
      codeOf(() => openRouteSocket("/dev/null"));
    }
    // The process around the test has descriptors of its own, which come and go.
    expect(count()).toBeLessThan(before + 25);
  });
});

describe("devices", () => {
  it("compute checksums themselves once transmit offload is off", () => {
    using here = openRouteSocket(node.path);
    createVeth(here, ...vethEnds());
    const features = () => run("ip", "netns", "exec", pod.name, "ethtool", "-k", "eth0");
    expect(features()).toContain("tx-checksumming: on");
    disableTxOffload("eth0", pod.path);
    expect(features()).toContain("tx-checksumming: off");
    expect(codeOf(() => disableTxOffload("none0", pod.path))).toBe("ENODEV");
  });

  it("under guard give their frames to packet sockets only, not to the host's stack", () => {
    using here = openRouteSocket(node.path);
    using there = openRouteSocket(pod.path);
    using filter = openNetfilterSocket(node.path);
    createVeth(here, ...vethEnds());
    setLink(here, "host0", { up: true });
    setLink(there, "eth0", { up: true });
    addAddress(here, "host0", "10.8.0.1/24");
    addAddress(there, "eth0", "10.8.0.2/24");
    const ping = () => {
      try {
        run("ip", "netns", "exec", pod.name, "ping", "-c", "1", "-W", "1", "10.8.0.1");
        return true;
      } catch {
        return false;
      }
    };
    expect(ping()).toBe(true);
    guardDevice(filter, "host0");
    guardDevice(filter, "host0");
    expect(listGuardedDevices(filter)).toEqual(["host0"]);
    expect(ping()).toBe(false);
    expect(unguardDevice(filter, "host0")).toBe(true);
    expect(unguardDevice(filter, "host0")).toBe(false);
    expect(ping()).toBe(true);
  });

  it("tell when they change", async () => {
    const seen: string[] = [];
    let wake: () => void = () => {};
    const end = inNamespace(node.path, () =>
      watchNetwork((changes) => {
        seen.push([...changes].sort().join());
        wake();
      }),
    );
    try {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      expect(seen).toEqual(["address,link,route,rule"]);
      const until = async (kind: string) => {
        while (!seen.slice(1).some((kinds) => kinds.includes(kind))) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      };
      using here = openRouteSocket(node.path);
      // The child subscribes a moment after it has started, so the change is repeated until it is seen.
      const timer = setInterval(() => {
        setLink(here, "lo", { up: getLink(here, "lo")?.up !== true });
      }, 50);
      await until("link");
      clearInterval(timer);
    } finally {
      end();
    }
  });
});
