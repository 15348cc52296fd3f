import type { PodNetworkAnnotation } from "@ovenbird/kube";
import type { PolicyModel } from "../graph/policy-model.ts";
import type { Bundle, DesiredRow } from "../translate/desired.ts";
import { defaultTenant, managementPort, nodeSwitch, tenantToSwitch } from "../translate/names.ts";
import { nodeOwner } from "../translate/node-owner.ts";
import { ownerText } from "../translate/owner.ts";
import type { FlowPorts } from "./microflow.ts";

/** The part of the graph that knows hardware addresses. */
export interface PortSource {
  readonly model: PolicyModel;
  podNetwork(key: string): PodNetworkAnnotation | undefined;
  bundleOf(owner: string): Bundle | undefined;
}

function rowNamed(rows: readonly DesiredRow[], table: string, name: string): DesiredRow | undefined {
  return rows.find((row) => row.table === table && row.columns.name === name);
}

/** Finds ports by the rows that the graph wants; each node's once, so that it holds for as long as nothing else happens. */
export function flowPortsOf(graph: PortSource): FlowPorts {
  const nodes = new Map<string, ReturnType<FlowPorts["node"]>>();
  return {
    pod(key) {
      const node = graph.model.pods.get(key)?.nodeName;
      const mac = graph.podNetwork(key)?.mac;
      if (node === undefined || mac === undefined) return undefined;
      return { node, mac, at: graph.model.tenancy.switchOf(key) };
    },
    node(name) {
      if (!nodes.has(name)) nodes.set(name, nodePorts(graph, name));
      return nodes.get(name);
    },
  };
}

function nodePorts(graph: PortSource, name: string): ReturnType<FlowPorts["node"]> {
  const rows = graph.bundleOf(ownerText(nodeOwner(name)))?.rows ?? [];
  const management = rowNamed(rows, "Logical_Switch_Port", managementPort(name))?.columns.addresses;
  const routerMac = rowNamed(rows, "Logical_Router_Port", tenantToSwitch(defaultTenant, name))?.columns.mac;
  const managementMac = Array.isArray(management) ? String(management[0]).split(" ")[0] : undefined;
  if (managementMac === undefined || typeof routerMac !== "string") return undefined;
  return { switch: nodeSwitch(name), managementMac, routerMac };
}
