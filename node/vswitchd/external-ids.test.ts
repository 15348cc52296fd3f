import { describe, expect, it } from "vitest";
import { externalIdChanges, mergeMapping, type OvnSettings } from "./external-ids.ts";

const settings: OvnSettings = {
  systemId: "generated",
  encapType: "geneve",
  encapIp: "192.0.2.11",
  ovnRemote: undefined,
  integrationBridge: "br-int",
  datapath: "netdev",
  bridgeMapping: { network: "physnet", bridge: "br-ex" },
};

describe("Open_vSwitch.external_ids", () => {
  it("get all that OVN needs when they are empty", () => {
    expect(externalIdChanges(new Map(), settings)).toEqual({
      "system-id": "generated",
      "ovn-encap-type": "geneve",
      "ovn-encap-ip": "192.0.2.11",
      "ovn-bridge": "br-int",
      "ovn-bridge-datapath-type": "netdev",
      "ovn-bridge-mappings": "physnet:br-ex",
    });
  });

  it("are left alone when all is right, whatever else stands there", () => {
    const changes = externalIdChanges(new Map(), settings);
    const current = new Map([...Object.entries(changes), ["hostname", "node-a"], ["ovn-remote", "tcp:192.0.2.1:6642"]]);
    expect(externalIdChanges(current, settings)).toEqual({});
  });

  it("keep the chassis' name", () => {
    expect(externalIdChanges(new Map([["system-id", "old"]]), settings)).not.toHaveProperty("system-id");
  });
});

describe("bridge mappings", () => {
  it.each([
    [undefined, "physnet:br-ex"],
    ["", "physnet:br-ex"],
    ["other:br-other", "other:br-other,physnet:br-ex"],
    ["physnet:br-old,other:br-other", "physnet:br-ex,other:br-other"],
    ["physnet2:br-2,physnet:br-ex", "physnet2:br-2,physnet:br-ex"],
  ])("%s become %s", (before, after) => {
    expect(mergeMapping(before, { network: "physnet", bridge: "br-ex" })).toBe(after);
  });
});
