import { isIP } from "node:net";
import { ipFault, labelCauses, portFault } from "../metadata.ts";
import { isObject, type JsonObject, type KubeObject, objectOr, objectsOf, stringOr } from "../object.ts";
import type { Column, Kind, KindContext } from "../resource.ts";
import { ageColumn } from "../serve/table.ts";
import { type Cause, causes } from "../status.ts";

const types = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];

function setIfMissing(target: JsonObject, values: JsonObject): void {
  for (const [key, value] of Object.entries(values)) if (target[key] === undefined) target[key] = value;
}

function setDefaults(service: KubeObject): void {
  if (!isObject(service.spec)) service.spec = {};
  const { spec } = service;
  setIfMissing(spec, { type: "ClusterIP", sessionAffinity: "None" });
  const type = spec.type;
  if (type !== "ExternalName") setIfMissing(spec, { internalTrafficPolicy: "Cluster" });
  if (type === "NodePort" || type === "LoadBalancer") setIfMissing(spec, { externalTrafficPolicy: "Cluster" });
  if (type === "LoadBalancer") setIfMissing(spec, { allocateLoadBalancerNodePorts: true });
  if (spec.sessionAffinity === "ClientIP") {
    setIfMissing(spec, { sessionAffinityConfig: { clientIP: { timeoutSeconds: 10_800 } } });
  } else delete spec.sessionAffinityConfig;
  for (const port of objectsOf(spec.ports)) {
    setIfMissing(port, { protocol: "TCP" });
    if (port.targetPort === undefined || port.targetPort === "" || port.targetPort === 0) port.targetPort = port.port;
  }
}

function portCauses(port: JsonObject, field: string, several: boolean): Cause[] {
  const found: Cause[] = [];
  if (several && stringOr(port.name) === "") found.push(causes.required(`${field}.name`));
  const fault = portFault(port.port);
  if (fault !== undefined) found.push(causes.invalid(`${field}.port`, port.port ?? 0, fault));
  const target = port.targetPort;
  if (typeof target === "number" && portFault(target) !== undefined && fault === undefined) {
    found.push(causes.invalid(`${field}.targetPort`, target, "must be between 1 and 65535, inclusive"));
  }
  if (!["TCP", "UDP", "SCTP"].includes(stringOr(port.protocol))) {
    found.push(causes.notSupported(`${field}.protocol`, port.protocol, ["SCTP", "TCP", "UDP"]));
  }
  return found;
}

function validate(service: KubeObject): Cause[] {
  const spec = service.spec ?? {};
  const found: Cause[] = [];
  const type = stringOr(spec.type);
  if (!types.includes(type)) found.push(causes.notSupported("spec.type", type, types));
  const ports = objectsOf(spec.ports);
  if (ports.length === 0 && spec.clusterIP !== "None" && type !== "ExternalName")
    found.push(causes.required("spec.ports"));
  const names = new Set<string>();
  const pairs = new Set<string>();
  ports.forEach((port, index) => {
    const field = `spec.ports[${index}]`;
    found.push(...portCauses(port, field, ports.length > 1));
    const name = stringOr(port.name);
    if (name !== "" && names.has(name)) found.push(causes.duplicate(`${field}.name`, name));
    names.add(name);
    const pair = `${port.protocol}/${port.port}`;
    if (pairs.has(pair)) found.push(causes.duplicate(field, { protocol: port.protocol, port: port.port }));
    pairs.add(pair);
  });
  if (!["None", "ClientIP"].includes(stringOr(spec.sessionAffinity))) {
    found.push(causes.notSupported("spec.sessionAffinity", spec.sessionAffinity, ["ClientIP", "None"]));
  }
  for (const policy of ["internalTrafficPolicy", "externalTrafficPolicy"]) {
    if (spec[policy] !== undefined && !["Cluster", "Local"].includes(stringOr(spec[policy]))) {
      found.push(causes.notSupported(`spec.${policy}`, spec[policy], ["Cluster", "Local"]));
    }
  }
  if (type === "ExternalName" && stringOr(spec.externalName) === "") found.push(causes.required("spec.externalName"));
  const clusterIPs = Array.isArray(spec.clusterIPs) ? spec.clusterIPs : [];
  clusterIPs.forEach((address, index) => {
    const fault = address === "None" || address === "" ? undefined : ipFault(address);
    if (fault !== undefined) found.push(causes.invalid(`spec.clusterIPs[${index}]`, address, fault));
  });
  const clusterIP = spec.clusterIP;
  if (clusterIP !== undefined && clusterIP !== "" && clusterIP !== "None" && ipFault(clusterIP) !== undefined) {
    found.push(
      causes.invalid("spec.clusterIPs[0]", clusterIP, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"),
    );
  }
  const external = Array.isArray(spec.externalIPs) ? spec.externalIPs : [];
  external.forEach((address, index) => {
    const fault = ipFault(address);
    if (fault !== undefined) found.push(causes.invalid(`spec.externalIPs[${index}]`, address, fault));
  });
  found.push(...labelCauses(spec.selector, "spec.selector"));
  return found;
}

function validateUpdate(service: KubeObject, old: KubeObject): Cause[] {
  const before = stringOr(old.spec?.clusterIP);
  const after = stringOr(service.spec?.clusterIP);
  if (before === "" || after === "" || before === after || service.spec?.type === "ExternalName") return [];
  return [causes.invalid("spec.clusterIPs[0]", after, "may not change once set")];
}

const addressesPrepare = (service: KubeObject, old: KubeObject | undefined, context: KindContext) =>
  context.addresses.prepare(service, old);

function portsText(spec: JsonObject | undefined): string {
  const texts = objectsOf(spec?.ports).map((port) => {
    const node = port.nodePort === undefined ? "" : `:${port.nodePort}`;
    return `${port.port}${node}/${port.protocol}`;
  });
  return texts.join(",") || "<none>";
}

function externalText({ spec, status }: KubeObject): string {
  const external = Array.isArray(spec?.externalIPs) ? spec.externalIPs.join(",") : "";
  switch (spec?.type) {
    case "LoadBalancer": {
      const ingress = objectsOf(objectOr(status?.loadBalancer).ingress);
      return (
        [...ingress.map((one) => stringOr(one.ip ?? one.hostname)), external].filter(Boolean).join(",") || "<pending>"
      );
    }
    case "ExternalName":
      return stringOr(spec.externalName);
    default:
      return external || "<none>";
  }
}

const columns: readonly Column[] = [
  { name: "Type", type: "string", cell: ({ spec }) => stringOr(spec?.type) },
  { name: "Cluster-IP", type: "string", cell: ({ spec }) => stringOr(spec?.clusterIP) || "<none>" },
  { name: "External-IP", type: "string", cell: externalText },
  { name: "Port(s)", type: "string", cell: ({ spec }) => portsText(spec) },
  ageColumn,
  {
    name: "Selector",
    type: "string",
    priority: 1,
    cell: ({ spec }) =>
      Object.entries(objectOr(spec?.selector))
        .map(([key, value]) => `${key}=${String(value)}`)
        .join(",") || "<none>",
  },
];

export const serviceKind: Kind = {
  group: "",
  kind: "Service",
  plural: "services",
  singular: "service",
  shortNames: ["svc"],
  categories: ["all"],
  namespaced: true,
  versions: ["v1"],
  storageVersion: "v1",
  hasStatus: true,
  statusCarriesMetadata: true,
  nameRule: "label1035",
  returnsDeleted: true,
  fieldNames: ["spec.clusterIP", "spec.type"],
  fields: ({ spec }) => ({ "spec.clusterIP": stringOr(spec?.clusterIP), "spec.type": stringOr(spec?.type) }),
  setDefaults,
  validate,
  validateUpdate,
  prepareCreate(service, context) {
    service.status = { loadBalancer: {} };
    return addressesPrepare(service, undefined, context);
  },
  prepareUpdate: (service, old, context) => addressesPrepare(service, old, context),
  columns,
};

/** Which family an address is of. */
export function familyOf(address: unknown): "IPv4" | "IPv6" | undefined {
  const family = typeof address === "string" ? isIP(address) : 0;
  return family === 4 ? "IPv4" : family === 6 ? "IPv6" : undefined;
}
