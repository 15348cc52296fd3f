import type { OpenVswitch } from "@ovenbird/ovsdb-schemas";
import type { RowChange } from "ovsdb-client-ts";
import { describe, expect, it } from "vitest";
import { type Concerned, concernsOf } from "./database-changes.ts";

const parts: Concerned = {
  gateway: { concerns: ({ name, type }) => name === "br-ex" || type === "patch" },
  management: { concerns: ({ name }) => name === "ovenbird0" || name === "br-int" },
  providerNetworks: { concerns: ({ name }) => name === "br-red" || name === "eth1" },
  gatewayBridge: "br-ex",
  integrationBridge: "br-int",
};
const change = (table: string, kind: string, row: object, changed?: object) =>
  ({ table, kind, uuid: "u", row, changed }) as unknown as RowChange<OpenVswitch>;

describe("changes of the local database", () => {
  it.each([
    ["a pod's port", change("Interface", "insert", { name: "ovb123", type: "" }), []],
    ["the port's place on the bridge", change("Bridge", "modify", { name: "br-int" }, { ports: {} }), []],
    ["vswitchd's own counters", change("Open_vSwitch", "modify", {}, { cur_cfg: {} }), []],
    ["external_ids", change("Open_vSwitch", "modify", {}, { external_ids: {} }), ["open-vswitch"]],
    ["a datapath's capabilities", change("Datapath", "modify", {}, { capabilities: {} }), ["open-vswitch"]],
    ["a patch port", change("Interface", "insert", { name: "patch-a", type: "patch" }), ["gateway"]],
    [
      "a new device of the gateway bridge",
      change("Interface", "modify", { name: "br-ex", type: "internal" }, { ifindex: {} }),
      ["vswitchd-restarted", "gateway"],
    ],
    ["a gateway bridge that comes", change("Bridge", "insert", { name: "br-ex" }), ["gateway", "open-vswitch"]],
    ["an uplink", change("Interface", "modify", { name: "eth1", type: "" }, { ofport: {} }), ["provider-networks"]],
    ["the management interface", change("Interface", "delete", { name: "ovenbird0" }), ["management"]],
    [
      "the integration bridge's mode",
      change("Bridge", "modify", { name: "br-int" }, { fail_mode: {} }),
      ["management", "open-vswitch"],
    ],
  ] as const)("%s concern those who look after it", (_, given, expected) => {
    expect(concernsOf(given, parts)).toEqual(expected);
  });
});
