import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inNamespace, linkIndex, openRouteSocket, readFrames, sentFromPort } from "./index.ts";

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

/** By a process in the namespace: the event loop makes sockets when it likes, not when it is asked. */
function send(namespace: string, family: "udp4" | "udp6", from: number, to: string, text: string): void {
  const script = `const socket = require("node:dgram").createSocket("${family}");
    socket.bind(${from}, () => socket.send("${text}", 40000, "${to}", () => socket.close()));`;
  ip("netns", "exec", namespace, process.execPath, "-e", script);
}

describe("frames of a device", () => {
  it("are those that are sent out of it from the port, in both families, and no others", async () => {
    const frames: string[] = [];
    const errors: Error[] = [];
    let wake = () => {};
    const host0 = index();
    const reader = inNamespace(path, () =>
      readFrames(
        host0,
        sentFromPort(53),
        (frame) => {
          frames.push(frame.toString("latin1").slice(-5));
          wake();
        },
        (error) => {
          errors.push(error);
          wake();
        },
      ),
    );
    // The device is down still: that is told, and is not the end.
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
    expect(errors).toMatchObject([{ code: "ENETDOWN" }]);
    ip("-n", node, "link", "set", "host0", "up");
    ip("-n", pod, "link", "set", "eth0", "up");
    send(node, "udp4", 54, "192.0.2.2", "other");
    send(pod, "udp4", 53, "192.0.2.1", "from!");
    send(node, "udp4", 53, "192.0.2.2", "four.");
    send(node, "udp6", 53, "2001:db8::2", "six..");
    while (frames.length < 2) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    expect(frames).toEqual(["four.", "six.."]);
    ip("-n", node, "link", "delete", "host0");
    while (errors.length < 2) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    expect(errors.at(-1)).toMatchObject({ code: "ENETDOWN" });
    reader.close();
    reader.close();
  });

  it("of no device are refused", () => {
    expect(() =>
      readFrames(
        0x7ffffff,
        sentFromPort(53),
        () => {},
        () => {},
      ),
    ).toThrow(/ENODEV/);
  });
});
