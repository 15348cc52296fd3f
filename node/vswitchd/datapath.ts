import { readFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import type { OpenVswitch, OpenVswitchRows } from "@ovenbird/ovsdb-schemas";
import type { Replica } from "ovsdb-client-ts";
import { getLink, hasGenericFamily, type RouteSocket } from "../netlink/index.ts";
import { type Datapath, datapathOf, findBridge, findInterface, interfacesOf, openVswitchRow } from "./bridge.ts";

export interface DatapathChoice {
  readonly datapath: Datapath;
  /** For people. */
  readonly reason: string;
  /** The bridge has another datapath, which nothing works with or hangs on: it is to be converted. */
  readonly convert: boolean;
}

/**
 * Whether the kernel can be Open vSwitch's datapath: it has it, or the module is there to be loaded. What vswitchd
 * lists in `datapath_types` doesn't tell: it lists `system` on any Linux.
 * @param modules the folder of the kernel's modules
 */
export function kernelHasDatapath(modules = join("/lib/modules", release())): boolean {
  if (hasGenericFamily("ovs_datapath")) return true;
  try {
    return /\/openvswitch\.ko/.test(readFileSync(join(modules, "modules.dep"), "utf8"));
  } catch {
    // No modules, or none that can be loaded from here.
    return false;
  }
}

/**
 * The datapath of the integration bridge: what it has, else what was asked for, else the kernel's where there is one.
 * A bridge that works is never converted, since that would tear every port of it down. One that vswitchd has not opened
 * is when it can't become anything (the kernel has no datapath), or when it bears nothing yet: ovn-controller makes the
 * bridge too, and may have done so before it was told of the datapath.
 */
export function chooseDatapath(
  replica: Replica<OpenVswitch>,
  integrationBridge: string,
  asked: Datapath | undefined,
  kernel: () => boolean = kernelHasDatapath,
): DatapathChoice {
  const bridge = findBridge(replica, integrationBridge);
  const current = bridge && datapathOf(bridge);
  if (bridge && current && (bridge.datapath_id !== undefined || current === asked))
    return { datapath: current, reason: `${integrationBridge} has it`, convert: false };
  const wanted = asked ? { datapath: asked, reason: "it was asked for" } : offered(replica, kernel);
  if (bridge === undefined || current === undefined) return { ...wanted, convert: false };
  const dead = current === "system" && wanted.datapath === "netdev" && !kernel();
  const convert = current !== wanted.datapath && (dead || (asked !== undefined && isBare(replica, bridge)));
  if (convert) return { ...wanted, convert };
  return { datapath: current, reason: `${integrationBridge} has it`, convert: false };
}

function offered(replica: Replica<OpenVswitch>, kernel: () => boolean): Omit<DatapathChoice, "convert"> {
  const types = openVswitchRow(replica)?.datapath_types;
  if (types && types.size > 0 && !types.has("system"))
    return { datapath: "netdev", reason: "ovs-vswitchd offers no other" };
  return kernel()
    ? { datapath: "system", reason: "the kernel has Open vSwitch's datapath" }
    : { datapath: "netdev", reason: "the kernel has no Open vSwitch datapath and no module openvswitch" };
}

/** Whether a bridge has no port but its own. */
function isBare(replica: Replica<OpenVswitch>, bridge: OpenVswitchRows.Bridge): boolean {
  return interfacesOf(replica, bridge).every(({ row }) => row.name === bridge.name || row.type === "patch");
}

/**
 * The commands that give bridges another datapath. ovn-controller makes the integration bridge follow
 * `ovn-bridge-datapath-type`, so both are set in one transaction.
 */
export function convertCommand(datapath: Datapath, integrationBridge: string | undefined, bridges: readonly string[]) {
  return [
    "ovs-vsctl",
    ...(integrationBridge ? [`set Open_vSwitch . external_ids:ovn-bridge-datapath-type=${datapath} --`] : []),
    bridges.map((bridge) => `set Bridge ${bridge} datapath_type=${datapath}`).join(" -- "),
  ].join(" ");
}

/** Why a bridge does not work as far as vswitchd is concerned; undefined when it does, or is not there at all. */
export function bridgeProblem(replica: Replica<OpenVswitch>, socket: RouteSocket, name: string): string | undefined {
  const bridge = findBridge(replica, name);
  if (!bridge) return undefined;
  const error = findInterface(replica, name)?.error;
  if (error !== undefined) return `ovs-vswitchd could not open ${name}: ${error}`;
  // What vswitchd once wrote of a bridge stays when it can't open it any more, so its device is looked for too.
  if (bridge.datapath_id !== undefined && getLink(socket, name)) return undefined;
  const datapath = datapathOf(bridge);
  const hint =
    datapath === "system" ? ": does the kernel have the module openvswitch? Without it only netdev works" : "";
  return `ovs-vswitchd has not opened ${name} with the datapath ${datapath}, its log has the cause${hint}`;
}
