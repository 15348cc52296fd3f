import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { betweenServers, inNamespace, linkIndex, openRouteSocket, readFrames } from "./index.ts";

/** A pod as it stands beside its node: `host0` on the node, `eth0` in the pod. */
const node = `obframe-node-${process.pid}`;
const pod = `obframe-pod-${process.pid}`;
const path = `/run/netns/${node}`;
const ip = (...args: string[]) => execFileSync("ip", args, { stdio: "pipe" });

beforeAll(() => {
  for (const name of [node, pod]) ip("netns", "add", name);
  ip("-n", node, "link", "add", "host0", "type", "veth", "peer", "name", "eth0", "netns", pod);
  for (const [name, device, end] of [
    [node, "host0", 1],
    [pod, "eth0", 2],
  ] as const) {
    ip("-n", name, "address", "add", `192.0.2.${end}/24`, "dev", device);
    ip("-n", name, "address", "add", `2001:db8::${end}/64`, "dev", device, "nodad");
    ip("-n", name, "link", "set", "lo", "up");
  }
});
afterAll(() => {
  for (const name of [node, pod]) ip("netns", "delete", name);
});

const index = () => {
  using socket = openRouteSocket(path);
  return linkIndex(socket, "host0");
};

/** Of the node; it has others too. */
const servers = ["192.0.2.1", "2001:db8::1"];

/** By a process in the namespace: the event loop makes sockets when it likes, not when it is asked. */
function send(namespace: string, from: string, fromPort: number, to: string, port: number, text: string): void {
  const script = `const socket = require("node:dgram").createSocket("udp${to.includes(":") ? 6 : 4}");
    socket.bind(${fromPort}, "${from}", () => socket.send("${text}", ${port}, "${to}", () => socket.close()));`;
  ip("netns", "exec", namespace, process.execPath, "-e", script);
}

/** Where nobody listens. */
function connectTo(address: string): void {
  const script = `require("node:net").connect(53, "${address}").on("error", () => {})`;
  ip("netns", "exec", pod, process.execPath, "-e", script);
}

describe("frames of a device", () => {
  it("are what servers send out of it and what it brings for servers, in both families, and no others", async () => {
    ip("-n", node, "address", "add", "192.0.2.7/24", "dev", "host0");
    ip("-n", node, "address", "add", "2001:db8::7/64", "dev", "host0", "nodad");
    const frames: string[] = [];
    const errors: Error[] = [];
    let wake = () => {};
    const next = () =>
      new Promise<void>((resolve) => {
        wake = resolve;
      });
    const host0 = index();
    const reader = inNamespace(path, () =>
      readFrames(
        host0,
        // One before them, which has no frame.
        betweenServers(53, ["192.0.2.9", "2001:db8::9", ...servers]),
        (frame) => {
          const isIpv4 = frame.readUInt16BE(12) === 0x0800;
          const isTcp = frame[isIpv4 ? 23 : 20] === 6;
          frames.push(isTcp ? `tcp ${frame[isIpv4 ? 47 : 67]}` : frame.toString("latin1").slice(-5));
          wake();
        },
        (error) => {
          errors.push(error);
          wake();
        },
      ),
    );
    // The device is down still: that is told, and is not the end.
    await next();
    expect(errors).toMatchObject([{ code: "ENETDOWN" }]);
    ip("-n", node, "link", "set", "host0", "up");
    ip("-n", pod, "link", "set", "eth0", "up");
    const pairs = [
      ["192.0.2.2", "192.0.2.7"],
      ["2001:db8::2", "2001:db8::7"],
    ] as const;
    for (const [index, [podAddress, foreign]] of pairs.entries()) {
      const server = servers[index] ?? "";
      send(node, server, 54, podAddress, 40_000, "other port");
      send(node, foreign, 53, podAddress, 40_000, "other address");
      send(pod, podAddress, 53, server, 40_000, "from the pod's port");
      send(pod, podAddress, 40_000, foreign, 53, "to another address");
      send(pod, podAddress, 40_000, server, 54, "to another port");
      send(node, server, 40_000, podAddress, 53, "to the pod's port");
      send(pod, podAddress, 40_000, server, 53, `ask.${index}`);
      send(node, server, 53, podAddress, 40_000, `tell${index}`);
      connectTo(server);
    }
    while (frames.length < 8) await next();
    // SYN, and RST with ACK.
    const connection = ["tcp 2", "tcp 20"];
    expect(frames).toEqual(["ask.0", "tell0", ...connection, "ask.1", "tell1", ...connection]);
    ip("-n", node, "link", "delete", "host0");
    while (errors.length < 2) await next();
    expect(errors.at(-1)).toMatchObject({ code: "ENETDOWN" });
    reader.close();
    reader.close();
  });

  it("are taken for as many servers as a filter has room for", () => {
    using socket = openRouteSocket(path);
    const loopback = linkIndex(socket, "lo");
    const many = Array.from({ length: 300 }, (_, index) => `2001:db8::${index.toString(16)}`);
    for (const addresses of [[], many]) {
      inNamespace(path, () =>
        readFrames(
          loopback,
          betweenServers(53, addresses),
          () => {},
          () => {},
        ),
      ).close();
    }
  });

  it("of no device are refused", () => {
    expect(() =>
      readFrames(
        0x7ffffff,
        betweenServers(53, servers),
        () => {},
        () => {},
      ),
    ).toThrow(/ENODEV/);
  });
});
