import type { OpenVswitch } from "@ovenbird/ovsdb-schemas";
import type { RowChange } from "ovsdb-client-ts";
import type { Gateway } from "./gateway/index.ts";
import type { ManagementPort } from "./management/index.ts";
import type { ProviderNetworks } from "./provider-networks/index.ts";

/** What a change of the local database asks for: a look at one of the agent's parts. */
export type Concern = "open-vswitch" | "gateway" | "management" | "provider-networks" | "vswitchd-restarted";

/** The parts that a change can concern; undefined until they exist. */
export interface Concerned {
  readonly gateway: Pick<Gateway, "concerns"> | undefined;
  readonly management: Pick<ManagementPort, "concerns"> | undefined;
  readonly providerNetworks: Pick<ProviderNetworks, "concerns"> | undefined;
  readonly gatewayBridge: string;
  readonly integrationBridge: string | undefined;
}

/** Which of the agent's parts must look at a change. Pods' ports come and go all the time and concern none of them. */
export function concernsOf(change: RowChange<OpenVswitch>, parts: Concerned): readonly Concern[] {
  const { gateway, management, providerNetworks, gatewayBridge, integrationBridge } = parts;
  if (change.table === "Open_vSwitch") {
    const matters =
      change.kind !== "modify" || change.changed.external_ids || change.changed.bridges || change.changed.datapaths;
    return matters ? ["open-vswitch"] : [];
  }
  // What vswitchd says of its datapath, at each of its starts.
  if (change.table === "Datapath") return ["open-vswitch"];
  if (change.table !== "Bridge" && change.table !== "Port" && change.table !== "Interface") return [];
  const { name } = change.row;
  const concerns: Concern[] = [];
  if (gateway?.concerns(change.row)) {
    // A new device of the bridge: vswitchd has restarted.
    if (
      name === gatewayBridge &&
      change.table === "Interface" &&
      change.kind === "modify" &&
      change.changed.ifindex !== undefined
    ) {
      concerns.push("vswitchd-restarted");
    }
    concerns.push("gateway");
  }
  if (providerNetworks?.concerns(change.row)) concerns.push("provider-networks");
  const onlyPorts = change.table === "Bridge" && change.kind === "modify" && isOnly(change.changed, "ports");
  if (management?.concerns(change.row) && !onlyPorts) concerns.push("management");
  const bridgeCameOrWent = change.table === "Bridge" && change.kind !== "modify" && name === gatewayBridge;
  if ((name === integrationBridge && !onlyPorts) || bridgeCameOrWent) concerns.push("open-vswitch");
  return concerns;
}

function isOnly(changed: object, column: string): boolean {
  const columns = Object.keys(changed);
  return columns.length === 1 && columns[0] === column;
}
