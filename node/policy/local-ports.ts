import type { OpenVswitch } from "@ovenbird/ovsdb-schemas";
import type { Replica } from "ovsdb-client-ts";
import type { FlowMatch, FlowUpdate } from "../openflow/index.ts";
import type { PodSource } from "../pods/index.ts";
import { type AddressKey, addressKey } from "./address-key.ts";

/** What ovn-controller's flows say of a port of the integration bridge. */
export interface FlowPort {
  /** OVN's keys: of the logical switch, and of the port on it. */
  readonly datapath: number;
  readonly key: number;
  /** The zone of connection tracking that is the port's own. */
  readonly zone: number;
  /** Where a packet of the port begins its way. */
  readonly ingressTable: number;
}

/** A pod's port. */
export interface LocalPort extends FlowPort {
  readonly openFlowPort: number;
  readonly mac: Buffer;
  readonly addresses: ReadonlySet<AddressKey>;
}

const register = { zone: 13, inputPort: 14 } as const;

/** @returns the zone of connection tracking that a flow sets: OVN 24.03 and newer keep it in the lower half of its register */
export function zoneOf({ registers }: FlowMatch): number | undefined {
  const found = registers.get(register.zone);
  return found === undefined ? undefined : found.value & 0xffff;
}

/** The table in which ovn-controller sorts what comes in by port (ovn-architecture(7)). */
export const physicalToLogicalTable = 0;

/** Keeps up with a change of that table. @param ports by OpenFlow port */
export function learnPort(ports: Map<number, FlowPort>, update: FlowUpdate): void {
  const { inPort } = update.match();
  if (inPort === undefined) return;
  if (update.event === "removed") {
    ports.delete(inPort);
    return;
  }
  const { sets, resubmitTable } = update.actions();
  const key = sets.registers.get(register.inputPort);
  const zone = zoneOf(sets);
  if (sets.metadata === undefined || key === undefined || zone === undefined || resubmitTable === undefined) return;
  ports.set(inPort, { datapath: sets.metadata, key: key.value, zone, ingressTable: resubmitTable });
}

/** The ports of this node's pods: what the database, the flows and the pods' annotations say together. */
export function localPorts(
  replica: Replica<OpenVswitch>,
  flowPorts: ReadonlyMap<number, FlowPort>,
  pods: Pick<PodSource, "get">,
): readonly LocalPort[] {
  const found: LocalPort[] = [];
  for (const row of replica.table("Interface").values()) {
    const pod = pods.get(row.external_ids.get("ovenbird.io/pod") ?? "");
    const openFlowPort = Number(row.ofport ?? -1);
    const flowPort = flowPorts.get(openFlowPort);
    if (flowPort === undefined || pod?.network.kind !== "valid") continue;
    const { port, mac, addresses, infrastructure = [] } = pod.network.value;
    if (row.external_ids.get("iface-id") !== port) continue;
    found.push({
      ...flowPort,
      openFlowPort,
      mac: Buffer.from(mac.replaceAll(":", ""), "hex"),
      addresses: new Set([...addresses, ...infrastructure].map((address) => addressKey(address.split("/")[0] ?? ""))),
    });
  }
  return found;
}
