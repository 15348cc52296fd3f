import { type KubeObject, objectOr, objectsOf, stringOr } from "../object.ts";
import type { Kind } from "../resource.ts";
import { ageColumn } from "../serve/table.ts";
import { type Cause, causes } from "../status.ts";

function nodeStatus({ spec, status }: KubeObject): string {
  const ready = objectsOf(status?.conditions).find(({ type }) => type === "Ready");
  const text = ready === undefined ? "Unknown" : ready.status === "True" ? "Ready" : "NotReady";
  return spec?.unschedulable === true ? `${text},SchedulingDisabled` : text;
}

function address({ status }: KubeObject, type: string): string {
  return stringOr(objectsOf(status?.addresses).find((one) => one.type === type)?.address, "<none>");
}

function roles({ metadata }: KubeObject): string {
  const prefix = "node-role.kubernetes.io/";
  const names = Object.keys(metadata.labels ?? {}).flatMap((key) =>
    key.startsWith(prefix) ? [key.slice(prefix.length)] : [],
  );
  return names.sort().join(",") || "<none>";
}

function validateUpdate(node: KubeObject, old: KubeObject): Cause[] {
  const before = old.spec?.podCIDR;
  if (before === undefined || before === node.spec?.podCIDR) return [];
  return [causes.forbidden("spec.podCIDR", 'node updates may not change podCIDR except from "" to valid')];
}

const info = (node: KubeObject, key: string) => stringOr(objectOr(node.status?.nodeInfo)[key], "<unknown>");

export const nodeKind: Kind = {
  group: "",
  kind: "Node",
  plural: "nodes",
  singular: "node",
  shortNames: ["no"],
  namespaced: false,
  versions: ["v1"],
  storageVersion: "v1",
  hasStatus: true,
  statusCarriesMetadata: true,
  nameRule: "subdomain",
  fieldNames: ["spec.unschedulable"],
  fields: ({ spec }) => ({ "spec.unschedulable": String(spec?.unschedulable === true) }),
  setDefaults(node) {
    node.spec ??= {};
  },
  // A kubelet registers its node with the status.
  keepsStatusOnCreate: true,
  validateUpdate,
  columns: [
    { name: "Status", type: "string", cell: nodeStatus },
    { name: "Roles", type: "string", cell: roles },
    ageColumn,
    {
      name: "Version",
      type: "string",
      cell: (node) => stringOr(objectOr(node.status?.nodeInfo).kubeletVersion),
    },
    { name: "Internal-IP", type: "string", priority: 1, cell: (node) => address(node, "InternalIP") },
    { name: "External-IP", type: "string", priority: 1, cell: (node) => address(node, "ExternalIP") },
    { name: "OS-Image", type: "string", priority: 1, cell: (node) => info(node, "osImage") },
    { name: "Kernel-Version", type: "string", priority: 1, cell: (node) => info(node, "kernelVersion") },
    { name: "Container-Runtime", type: "string", priority: 1, cell: (node) => info(node, "containerRuntimeVersion") },
  ],
};
