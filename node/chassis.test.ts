import { describe, expect, it } from "vitest";
import { chassisChange } from "./chassis.ts";
import type { GatewayState } from "./gateway/index.ts";
import type { NodeView } from "./kubernetes-node.ts";

const gateway = {
  mac: "0a:00:00:00:00:01",
  addresses: ["192.0.2.11/24"],
  nextHops: ["192.0.2.1"],
  physicalNetwork: "physnet",
};
const present: GatewayState = { kind: "present", gateway };
const waiting: GatewayState = { kind: "waiting", reason: "the device is not there" };
const node = (chassis: NodeView["chassis"]): NodeView => ({
  internalIp: undefined,
  chassis,
  network: { kind: "absent" },
  labels: {},
});
const absent = node({ kind: "absent" });
const annotated = node({ kind: "valid", value: { systemId: "a", gateway } });

describe("the chassis annotation", () => {
  it("is written once the gateway stands", () => {
    expect(chassisChange(absent, "a", present, true)).toEqual({ systemId: "a", gateway });
  });
  it("is not written again when it says the same", () => {
    expect(chassisChange(annotated, "a", present, true)).toBeUndefined();
  });
  it("is written without a gateway on a node that has none", () => {
    expect(chassisChange(absent, "a", { kind: "absent" }, true)).toEqual({ systemId: "a" });
  });
  it("waits for a gateway that comes, but not for ever", () => {
    expect(chassisChange(absent, "a", waiting, true)).toBeUndefined();
    expect(chassisChange(absent, "a", waiting, false)).toEqual({ systemId: "a" });
  });
  it("keeps the gateway while vswitchd restarts", () => {
    expect(chassisChange(annotated, "a", waiting, false)).toBeUndefined();
  });
  it("replaces what can't be understood", () => {
    expect(chassisChange(node({ kind: "invalid", reason: "no JSON" }), "a", present, true)).toBeDefined();
  });
});
