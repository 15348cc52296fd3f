import { randomUUID } from "node:crypto";
import type { OpenVswitch, OpenVswitchRows } from "@ovenbird/ovsdb-schemas";
import type { Replica, Transaction } from "ovsdb-client-ts";

export type Datapath = "system" | "netdev";

/** An interface of a bridge, with the port that holds it. */
export interface BridgeInterface {
  readonly port: OpenVswitchRows.Port;
  readonly row: OpenVswitchRows.Interface;
}

/** The bridge of that name, or undefined. */
export function findBridge(replica: Replica<OpenVswitch>, name: string): OpenVswitchRows.Bridge | undefined {
  const [bridge] = replica.table("Bridge").by("name", name);
  return bridge;
}

export function findInterface(replica: Replica<OpenVswitch>, name: string): OpenVswitchRows.Interface | undefined {
  const [row] = replica.table("Interface").by("name", name);
  return row;
}

/** The one row of the table `Open_vSwitch`, or undefined in a database that nobody has initialised. */
export function openVswitchRow(replica: Replica<OpenVswitch>): OpenVswitchRows.OpenVSwitch | undefined {
  return replica.table("Open_vSwitch").values().next().value;
}

/** All interfaces of a bridge's ports. */
export function interfacesOf(replica: Replica<OpenVswitch>, bridge: OpenVswitchRows.Bridge): BridgeInterface[] {
  return [...bridge.ports].flatMap((portId) => {
    const port = replica.table("Port").get(portId);
    if (!port) return [];
    return [...port.interfaces].flatMap((interfaceId) => {
      const row = replica.table("Interface").get(interfaceId);
      return row ? [{ port, row }] : [];
    });
  });
}

/** The bridge that a device is a port of, whichever it is. */
export function bridgeOf(replica: Replica<OpenVswitch>, device: string): OpenVswitchRows.Bridge | undefined {
  const row = findInterface(replica, device);
  if (!row) return undefined;
  for (const bridge of replica.table("Bridge").values()) {
    if (interfacesOf(replica, bridge).some((candidate) => candidate.row._uuid === row._uuid)) return bridge;
  }
  return undefined;
}

/** What a bridge's datapath is: an empty `datapath_type` means the kernel's (ovs-vswitchd.conf.db(5)). */
export function datapathOf(bridge: OpenVswitchRows.Bridge): Datapath {
  return bridge.datapath_type === "netdev" ? "netdev" : "system";
}

/** Adds a bridge with its internal port of the same name, as `ovs-vsctl add-br` does. @returns the bridge's uuid */
export function insertBridge(
  transaction: Transaction<OpenVswitch>,
  openVswitch: string,
  bridge: {
    readonly name: string;
    readonly datapath: Datapath;
    readonly failMode?: "standalone" | "secure";
    readonly otherConfig?: Readonly<Record<string, string>>;
    readonly externalIds?: Readonly<Record<string, string>>;
    /** Further ports, by uuid, inserted in the same transaction. */
    readonly ports?: readonly string[];
  },
): string {
  const uuid = randomUUID();
  const local = insertPort(transaction, { name: bridge.name, type: "internal" });
  transaction
    .insert(
      "Bridge",
      {
        name: bridge.name,
        datapath_type: bridge.datapath,
        ports: [local, ...(bridge.ports ?? [])],
        other_config: bridge.otherConfig ?? {},
        external_ids: bridge.externalIds ?? {},
        ...(bridge.failMode ? { fail_mode: bridge.failMode } : {}),
      },
      uuid,
    )
    .mutate("Open_vSwitch", openVswitch, { bridges: { insert: [uuid] } });
  return uuid;
}

/** Adds a port with one interface; a bridge must take it in the same transaction. @returns the port's uuid */
export function insertPort(
  transaction: Transaction<OpenVswitch>,
  port: {
    readonly name: string;
    readonly type: "internal" | "";
    readonly mac?: string;
    readonly mtuBytes?: number;
    readonly externalIds?: Readonly<Record<string, string>>;
  },
): string {
  const interfaceId = randomUUID();
  const portId = randomUUID();
  transaction
    .insert(
      "Interface",
      {
        name: port.name,
        type: port.type,
        external_ids: port.externalIds ?? {},
        ...(port.mac ? { mac: port.mac } : {}),
        ...(port.mtuBytes ? { mtu_request: port.mtuBytes } : {}),
      },
      interfaceId,
    )
    .insert("Port", { name: port.name, interfaces: [interfaceId] }, portId);
  return portId;
}
