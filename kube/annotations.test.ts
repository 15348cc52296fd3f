import { describe, expect, it } from "vitest";
import {
  nodeChassisAnnotation,
  nodeNetworkAnnotation,
  type PodNetworkAnnotation,
  podNetworkAnnotation,
  readAnnotation,
} from "./annotations.ts";

const pod: PodNetworkAnnotation = {
  uid: "0f6b5a3e",
  port: "shop_web",
  addresses: ["10.244.1.3/24", "fd00:10:244:1::3/64"],
  gateways: ["10.244.1.1", "fd00:10:244:1::1"],
  mac: "0a:58:0a:f4:01:03",
  mtuBytes: 1400,
};

describe("a pod's annotation", () => {
  it("is read as it was written", () => {
    expect(readAnnotation(podNetworkAnnotation, JSON.stringify(pod))).toEqual({ kind: "valid", value: pod });
  });

  it("may be absent", () => {
    expect(readAnnotation(podNetworkAnnotation, undefined)).toEqual({ kind: "absent" });
  });

  it.each([
    ["no JSON", "{"],
    ["null", "null"],
    ["an address without prefix length", JSON.stringify({ ...pod, addresses: ["10.244.1.3"] })],
    ["a prefix length too great", JSON.stringify({ ...pod, addresses: ["10.244.1.3/33"] })],
    ["two prefix lengths", JSON.stringify({ ...pod, addresses: ["10.244.1.3/24/24"] })],
    ["three addresses", JSON.stringify({ ...pod, addresses: Array(3).fill("10.244.1.3/24") })],
    ["no address", JSON.stringify({ ...pod, addresses: [] })],
    ["a gateway that is none", JSON.stringify({ ...pod, gateways: ["gateway"] })],
    ["a MAC in upper case", JSON.stringify({ ...pod, mac: "0A:58:0A:F4:01:03" })],
    ["an MTU out of range", JSON.stringify({ ...pod, mtuBytes: 100 })],
    ["an empty uid", JSON.stringify({ ...pod, uid: "" })],
  ])("with %s is invalid, and says why", (_what, text) => {
    const result = readAnnotation(podNetworkAnnotation, text);
    expect(result.kind).toBe("invalid");
    expect(result.kind === "invalid" && result.reason.length > 0).toBe(true);
  });
});

describe("a node's annotations", () => {
  it("may leave out the gateway", () => {
    expect(readAnnotation(nodeChassisAnnotation, '{"systemId":"n1"}')).toEqual({
      kind: "valid",
      value: { systemId: "n1" },
    });
  });

  it("want a whole number from zero as the node's index", () => {
    const network = {
      index: 0,
      subnets: ["10.244.0.0/24"],
      managementPort: { port: "management.n1", mac: pod.mac, addresses: ["10.244.0.2/24"], gateways: ["10.244.0.1"] },
      routes: ["10.244.0.0/16"],
      mtuBytes: 1400,
    };
    expect(readAnnotation(nodeNetworkAnnotation, JSON.stringify(network)).kind).toBe("valid");
    expect(readAnnotation(nodeNetworkAnnotation, JSON.stringify({ ...network, index: -1 })).kind).toBe("invalid");
    expect(readAnnotation(nodeNetworkAnnotation, JSON.stringify({ ...network, index: 0.5 })).kind).toBe("invalid");
  });
});
