import { cidrOf, type Family, formatAddress, parseAddress, parseAddressWithPrefix } from "../ipam/address.ts";
import { createInterner, internText } from "./interner.ts";
import { type LoadBalancerRecord, projectLoadBalancer } from "./load-balancer.ts";
import { listAt, metadataOf, objectAt, textAt } from "./raw-object.ts";

export type Protocol = "tcp" | "udp" | "sctp";

export interface ServicePort {
  /** Empty when the port has no name. */
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
  /** Present only for types that have node ports, and when one is allocated. */
  readonly nodePort: number | undefined;
}

/** What the controller keeps of a Service. All addresses are in canonical form, each once. */
export interface ServiceRecord {
  /** `namespace/name`. */
  readonly key: string;
  readonly uid: string;
  /** RFC 3339 in UTC with seconds, so that text sorts as time; empty when absent. */
  readonly createdAt: string;
  /** ExternalName, headless, without address yet, or of another proxy: nothing is made for it. */
  readonly skipped: boolean;
  /** Its endpoints are made from pods; else somebody writes the slices by hand. */
  readonly hasSelector: boolean;
  readonly clusterIps: readonly string[];
  /** Those of `ipFamilies`; without, those of the cluster addresses. */
  readonly families: readonly Family[];
  readonly ports: readonly ServicePort[];
  readonly externalIps: readonly string[];
  /** `status.loadBalancer.ingress` of ipMode VIP; empty for other types than LoadBalancer. */
  readonly ingressIps: readonly string[];
  /** What concerns the allocation of `ingressIps`; absent for most Services. */
  readonly loadBalancer: LoadBalancerRecord | undefined;
  readonly internalLocal: boolean;
  readonly externalLocal: boolean;
  /** Present with sessionAffinity ClientIP. */
  readonly affinitySeconds: number | undefined;
  readonly publishNotReady: boolean;
  /** Canonical networks that may come to `ingressIps`; absent when all may, empty when what is given can't be read. */
  readonly sourceRanges: readonly string[] | undefined;
  /** Fields that can't be read, in words. */
  readonly invalid: readonly string[];
}

const proxyNameLabel = "service.kubernetes.io/service-proxy-name";
/** The API server's default (core/v1 DefaultClientIPServiceAffinitySeconds). */
const defaultAffinitySeconds = 10_800;

const none: readonly never[] = Object.freeze([]);
const protocols: Readonly<Record<string, Protocol>> = { TCP: "tcp", UDP: "udp", SCTP: "sctp" };
const portLists = createInterner<readonly ServicePort[]>(16_384);
const familyLists = createInterner<readonly Family[]>(4);

/** `TCP`, `UDP` or `SCTP`; TCP when absent, as the API has it. */
export function protocolAt(value: unknown): Protocol | undefined {
  if (value === undefined) return "tcp";
  return typeof value === "string" && Object.hasOwn(protocols, value) ? protocols[value] : undefined;
}

export function portNumberAt(value: unknown): number | undefined {
  return typeof value === "number" && Number.isInteger(value) && value > 0 && value <= 65_535 ? value : undefined;
}

function frozenList<T>(list: T[]): readonly T[] {
  return list.length === 0 ? none : Object.freeze(list);
}

function addressesOf(values: readonly unknown[], field: string, invalid: string[]): readonly string[] {
  const addresses: string[] = [];
  for (const value of values) {
    const parsed = typeof value === "string" ? parseAddress(value) : undefined;
    if (parsed === undefined) {
      invalid.push(`${field} ${JSON.stringify(value)} is not an address`);
      continue;
    }
    const address = formatAddress(parsed);
    if (!addresses.includes(address)) addresses.push(address);
  }
  return frozenList(addresses);
}

function portsOf(values: readonly unknown[], hasNodePorts: boolean, invalid: string[]): readonly ServicePort[] {
  const ports: ServicePort[] = [];
  for (const value of values) {
    const source = objectAt(value);
    const protocol = protocolAt(source.protocol);
    const port = portNumberAt(source.port);
    if (protocol === undefined || port === undefined) {
      invalid.push(`port ${JSON.stringify(source.port)} of protocol ${JSON.stringify(source.protocol)} is none`);
      continue;
    }
    const nodePort = hasNodePorts ? portNumberAt(source.nodePort) : undefined;
    ports.push(Object.freeze({ name: internText(textAt(source.name) ?? ""), protocol, port, nodePort }));
  }
  // Most services have one of few lists of ports; names can't hold the separators.
  const signature = ports.map(({ name, protocol, port, nodePort }) => `${name} ${protocol} ${port} ${nodePort ?? ""}`);
  return portLists.intern(signature.join(","), () => frozenList(ports));
}

function sourceRangesOf(values: readonly unknown[], invalid: string[]): readonly string[] | undefined {
  if (values.length === 0) return undefined;
  const ranges = new Set<string>();
  for (const value of values) {
    const parsed = typeof value === "string" ? parseAddressWithPrefix(value.trim()) : undefined;
    if (parsed === undefined) invalid.push(`loadBalancerSourceRanges: ${JSON.stringify(value)} is not a network`);
    else ranges.add(cidrOf(parsed, parsed.prefixLength).text);
  }
  return frozenList([...ranges].sort());
}

/** With the field absent an ingress address counts as VIP (KEP-1860). */
function ingressOf(status: unknown): readonly unknown[] {
  return listAt(objectAt(objectAt(status).loadBalancer).ingress).flatMap((entry) => {
    const { ip, ipMode } = objectAt(entry);
    return textAt(ip) !== undefined && (ipMode === undefined || ipMode === "VIP") ? [ip] : [];
  });
}

function familiesOf(values: readonly unknown[], addresses: readonly string[]): readonly Family[] {
  const has4 = values.includes("IPv4") || addresses.some((address) => !address.includes(":"));
  const has6 = values.includes("IPv6") || addresses.some((address) => address.includes(":"));
  return familyLists.intern(`${has4}${has6}`, () =>
    Object.freeze([...(has4 ? [4] : []), ...(has6 ? [6] : [])] as Family[]),
  );
}

function affinityOf(spec: Readonly<Record<string, unknown>>): number | undefined {
  if (spec.sessionAffinity !== "ClientIP") return undefined;
  const { timeoutSeconds } = objectAt(objectAt(spec.sessionAffinityConfig).clientIP);
  return typeof timeoutSeconds === "number" && timeoutSeconds > 0 ? timeoutSeconds : defaultAffinitySeconds;
}

/** Projects a Service as the API gives it; never throws. */
export function projectService(raw: unknown): ServiceRecord {
  const { namespace, name, uid, labels } = metadataOf(raw);
  const { metadata, spec: rawSpec, status } = objectAt(raw);
  const spec = objectAt(rawSpec);
  const type = textAt(spec.type) ?? "ClusterIP";
  const invalid: string[] = [];
  const given = listAt(spec.clusterIPs).length > 0 ? listAt(spec.clusterIPs) : [spec.clusterIP];
  const clusterIps = addressesOf(
    given.filter((value) => textAt(value) !== undefined && value !== "None"),
    "cluster IP",
    invalid,
  );
  const isBalanced = type === "LoadBalancer";
  const skipped = type === "ExternalName" || clusterIps.length === 0 || proxyNameLabel in objectAt(labels);
  return Object.freeze({
    key: `${namespace}/${name}`,
    uid,
    createdAt: textAt(objectAt(metadata).creationTimestamp) ?? "",
    skipped,
    hasSelector: Object.keys(objectAt(spec.selector)).length > 0,
    clusterIps,
    families: familiesOf(listAt(spec.ipFamilies), clusterIps),
    ports: portsOf(listAt(spec.ports), isBalanced || type === "NodePort", invalid),
    externalIps: addressesOf(listAt(spec.externalIPs), "external IP", invalid),
    ingressIps: isBalanced ? addressesOf(ingressOf(status), "ingress IP", invalid) : none,
    loadBalancer: projectLoadBalancer(raw),
    internalLocal: spec.internalTrafficPolicy === "Local",
    externalLocal: spec.externalTrafficPolicy === "Local",
    affinitySeconds: affinityOf(spec),
    publishNotReady: spec.publishNotReadyAddresses === true,
    sourceRanges: isBalanced ? sourceRangesOf(listAt(spec.loadBalancerSourceRanges), invalid) : undefined,
    invalid: frozenList(invalid),
  });
}
