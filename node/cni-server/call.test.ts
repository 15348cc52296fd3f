import { cniErrorCodes } from "@ovenbird/cni";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { answerVersionOf, parseCall } from "./call.ts";
import { agentErrorCodes, CniFailure } from "./errors.ts";

const add = {
  command: "ADD",
  containerId: "c1",
  netns: "/var/run/netns/x",
  ifname: "eth0",
  args: "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0;K8S_POD_UID=u-1",
  config: { cniVersion: "1.0.0", name: "ovenbird" },
};

function codeOf(body: unknown): number | undefined {
  try {
    parseCall(body);
    return undefined;
  } catch (error) {
    if (error instanceof CniFailure) return error.code;
    throw error;
  }
}

describe("a call", () => {
  it("names its container, its namespace and its pod", () => {
    expect(parseCall(add)).toEqual({
      command: "ADD",
      cniVersion: "1.0.0",
      containerId: "c1",
      ifname: "eth0",
      netns: "/var/run/netns/x",
      pod: { namespace: "default", name: "web-0", uid: "u-1" },
      prevResult: undefined,
      dns: undefined,
    });
  });

  it.each([
    ["no request", 6, "text"],
    ["an unknown command", 6, { ...add, command: "MOVE" }],
    ["an unknown version", 1, { ...add, config: { cniVersion: "9.0.0" } }],
    ["no version", 1, { ...add, config: {} }],
    ["CHECK before 0.4.0", 1, { ...add, command: "CHECK", config: { cniVersion: "0.3.1" } }],
    ["GC before 1.1.0", 1, { ...add, command: "GC" }],
    ["STATUS before 1.1.0", 1, { ...add, command: "STATUS" }],
    ["no container", 4, { ...add, containerId: undefined }],
    ["a container with a slash", 4, { ...add, containerId: "a/b" }],
    ["an endless container", 4, { ...add, containerId: "a".repeat(254) }],
    ["an interface's name too long", 4, { ...add, ifname: "a".repeat(16) }],
    ["an interface named ..", 4, { ...add, ifname: ".." }],
    ["an interface with white space", 4, { ...add, ifname: "a b" }],
    ["a namespace with a zero byte", 4, { ...add, netns: "/var/run/\0" }],
    ["a pod's name that none can have", 4, { ...add, args: "K8S_POD_NAMESPACE=default;K8S_POD_NAME=../x" }],
    ["no pod", 4, { ...add, args: "A=1;;=;B" }],
    ["CHECK without prevResult", 7, { ...add, command: "CHECK" }],
    ["GC without attachments", 7, { ...add, command: "GC", config: { cniVersion: "1.1.0" } }],
    ["a malformed prevResult", 7, { ...add, config: { ...add.config, prevResult: { ips: "x" } } }],
    ["malformed dns", 7, { ...add, config: { ...add.config, dns: { nameservers: "x" } } }],
  ])("with %s is refused with code %d", (_, code, body) => {
    expect(codeOf(body)).toBe(code);
  });

  it("DEL needs neither a namespace nor a pod, and passes over ones that make no sense", () => {
    expect(parseCall({ ...add, command: "DEL", netns: "relative", args: "?" })).toEqual({
      command: "DEL",
      cniVersion: "1.0.0",
      containerId: "c1",
      ifname: "eth0",
    });
  });

  it("that is garbage gets a code, never another error", () => {
    fc.assert(
      fc.property(fc.anything(), fc.anything(), (body, config) => {
        expect(codeOf(body)).toBeTypeOf("number");
        expect(codeOf({ ...add, config: { ...add.config, prevResult: config ?? null, dns: config } })).not.toBe(199);
        expect(["0.3.1", "0.4.0", "1.0.0", "1.1.0"]).toContain(answerVersionOf(body));
      }),
    );
  });
});

describe("error codes", () => {
  it("are the agent's own: unique, and none of the specification's or the plugin's", () => {
    const own = Object.values(agentErrorCodes);
    expect(new Set(own).size).toBe(own.length);
    expect(own.filter((code) => code < 110 || Object.values<number>(cniErrorCodes).includes(code))).toEqual([]);
  });
});
