import { describe, expect, it } from "vitest";
import type { FlowMatch } from "../openflow/index.ts";
import { readBackend } from "./backends.ts";

const whole = (value: number) => ({ value, mask: 0xffffffff });
const address = (text: string) => ({ bytes: Buffer.from(text, "hex"), mask: undefined });

/** The flow of ovn-controller 23.03 for a backend of 10.96.0.10 port 53 that asks for itself. */
const flow: FlowMatch = {
  registers: new Map([
    [1, whole(0x0a60000a)],
    [2, { value: 53, mask: 0xffff }],
  ]),
  ipProto: 17,
  source: address("0af40003"),
  destination: address("0af40003"),
  udpDestination: 5353,
  fields: 8,
};

describe("the flow of a backend", () => {
  it("tells the service's address and port, and the backend's", () => {
    expect(readBackend(flow)).toEqual({
      service: { address: "10.96.0.10", port: 53 },
      backend: { address: "10.244.0.3", port: 5353 },
    });
  });

  it("has the address of an IPv6 service in four registers", () => {
    const registers = new Map([
      [2, { value: 53, mask: 0xffff }],
      ...[0xfd000010, 0x00960000, 0, 0xa].map((word, index) => [4 + index, whole(word)] as const),
    ]);
    const own = address("fd000010024400000000000000000003");
    expect(readBackend({ ...flow, registers, source: own, destination: own })).toEqual({
      service: { address: "fd00:10:96::a", port: 53 },
      backend: { address: "fd00:10:244::3", port: 5353 },
    });
  });

  it("is none of another protocol, between two addresses, or without a service", () => {
    expect(readBackend({ ...flow, ipProto: 6 })).toBeUndefined();
    expect(readBackend({ ...flow, destination: address("0af40004") })).toBeUndefined();
    expect(readBackend({ ...flow, registers: new Map() })).toBeUndefined();
  });
});
