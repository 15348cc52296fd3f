import type { OpenVswitchRows } from "@ovenbird/ovsdb-schemas";

/** A pod's port on the integration bridge. */
export interface PodPort {
  /** The host's end of the pod's interface; also the name of the OVS interface and port. */
  readonly hostDevice: string;
  /** `Logical_Switch_Port.name`, OVN's `iface-id`. */
  readonly logicalPort: string;
  readonly mac: string;
  /** `namespace/name` */
  readonly pod: string;
  readonly podUid: string;
  readonly containerId: string;
  /** Path of the pod's network namespace. */
  readonly netns: string;
  /** The interface's name in the pod. */
  readonly ifname: string;
}

/** A port as the database has it. */
export interface BoundPort extends PodPort {
  readonly interfaceUuid: string;
  /** Whether ovn-controller says that all its flows are installed. */
  readonly installed: boolean;
  /** Whether vswitchd has opened the device and given it an OpenFlow port number. */
  readonly plugged: boolean;
  /** Why vswitchd could not open the device. */
  readonly error: string | undefined;
}

/** ovn-controller(8), "External IDs"; the rest is ours, and enough to rebuild everything from the database. */
const keys = {
  logicalPort: "iface-id",
  podUid: "iface-id-ver",
  mac: "attached-mac",
  containerId: "ovenbird.io/sandbox",
  netns: "ovenbird.io/netns",
  ifname: "ovenbird.io/ifname",
  pod: "ovenbird.io/pod",
} as const;
const installedKey = "ovn-installed";

export function externalIdsOf(port: PodPort): Readonly<Record<string, string>> {
  return {
    [keys.logicalPort]: port.logicalPort,
    [keys.podUid]: port.podUid,
    [keys.mac]: port.mac,
    [keys.containerId]: port.containerId,
    [keys.netns]: port.netns,
    [keys.ifname]: port.ifname,
    [keys.pod]: port.pod,
  };
}

export function isInstalled(row: Pick<OpenVswitchRows.Interface, "external_ids">): boolean {
  return row.external_ids.get(installedKey) === "true";
}

/** Reads a row; undefined when it is not one of our pods' ports. */
export function boundPortOf(row: OpenVswitchRows.Interface): BoundPort | undefined {
  const text = (key: string) => row.external_ids.get(key);
  const containerId = text(keys.containerId);
  const ifname = text(keys.ifname);
  if (containerId === undefined || ifname === undefined) return undefined;
  return {
    hostDevice: row.name,
    logicalPort: text(keys.logicalPort) ?? "",
    mac: text(keys.mac) ?? "",
    pod: text(keys.pod) ?? "",
    podUid: text(keys.podUid) ?? "",
    containerId,
    netns: text(keys.netns) ?? "",
    ifname,
    interfaceUuid: row._uuid,
    installed: isInstalled(row),
    plugged: row.ofport !== undefined && row.ofport > 0,
    error: row.error,
  };
}
