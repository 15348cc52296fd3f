import { type Address, type Family, formatAddress, parseAddress } from "../ipam/address.ts";
import { createInterner, internText } from "./interner.ts";
import { listAt, metadataOf, objectAt, textAt } from "./raw-object.ts";
import { type Protocol, portNumberAt, protocolAt } from "./service.ts";

export interface EndpointPort {
  /** Empty when the port has no name. */
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
}

/** One endpoint, by its first address, as kube-proxy takes it. */
export interface Endpoint {
  /** In canonical form, of the slice's family. */
  readonly address: string;
  /** The node that it is on, when the slice says. */
  readonly node: string | undefined;
  readonly ready: boolean;
  /** Not ready, but still served while it ends: taken when nothing is ready (KEP-1672). */
  readonly servesWhileEnding: boolean;
  /** Zones whose clients shall use it (KEP-2433); absent without hint. */
  readonly zones: readonly string[] | undefined;
}

/** What the controller keeps of an EndpointSlice. */
export interface EndpointSliceRecord {
  /** `namespace/name`. */
  readonly key: string;
  /** The key of its Service; absent when no label names one. */
  readonly service: string | undefined;
  /** Absent for slices of host names. */
  readonly family: Family | undefined;
  readonly ports: readonly EndpointPort[];
  readonly endpoints: readonly Endpoint[];
  /** Endpoints that can't be used, in words. */
  readonly invalid: readonly string[];
  /** When what the slice tells of happened, in milliseconds since 1970 (`endpoints.kubernetes.io/last-change-trigger-time`). */
  readonly triggeredAtMs: number | undefined;
}

const serviceLabel = "kubernetes.io/service-name";
const triggerAnnotation = "endpoints.kubernetes.io/last-change-trigger-time";

const none: readonly never[] = Object.freeze([]);
const portLists = createInterner<readonly EndpointPort[]>(16_384);
const zoneLists = createInterner<readonly string[]>(1024);

function portsOf(values: readonly unknown[]): readonly EndpointPort[] {
  const ports = values.flatMap((value) => {
    const source = objectAt(value);
    const protocol = protocolAt(source.protocol);
    const port = portNumberAt(source.port);
    return protocol === undefined || port === undefined
      ? []
      : [Object.freeze({ name: internText(textAt(source.name) ?? ""), protocol, port })];
  });
  const signature = ports.map(({ name, protocol, port }) => `${name} ${protocol} ${port}`).join(",");
  return portLists.intern(signature, () => Object.freeze(ports));
}

/** What no endpoint can have: unspecified, loopback, link-local and multicast addresses, as the API refuses them too. */
function isReachable({ family, value }: Address): boolean {
  if (family === 4) {
    const first = Number(value >> 24n);
    return first !== 0 && first !== 127 && first < 224 && Number(value >> 16n) !== 0xa9fe;
  }
  const first = Number(value >> 112n);
  return value > 1n && first >> 6 !== 0xfe80 >> 6 && first >> 8 !== 0xff;
}

function zonesOf(hints: unknown): readonly string[] | undefined {
  const names = listAt(objectAt(hints).forZones).flatMap((zone) => textAt(objectAt(zone).name) ?? []);
  return names.length === 0 ? undefined : zoneLists.intern(names.join(","), () => Object.freeze(names));
}

function endpointOf(value: unknown, family: Family, invalid: string[]): Endpoint | undefined {
  const { addresses, conditions, nodeName, hints } = objectAt(value);
  const text = listAt(addresses)[0];
  const parsed = typeof text === "string" ? parseAddress(text) : undefined;
  if (parsed?.family !== family || !isReachable(parsed)) {
    invalid.push(`${JSON.stringify(text)} is no address of IPv${family} that an endpoint can have`);
    return undefined;
  }
  // Absent conditions mean: ready, and serving as long as it is ready, and not terminating.
  const { ready, serving, terminating } = objectAt(conditions);
  const isReady = ready !== false;
  const node = textAt(nodeName);
  return Object.freeze({
    address: family === 4 ? (text as string) : formatAddress(parsed),
    node: node === undefined ? undefined : internText(node),
    ready: isReady,
    servesWhileEnding: terminating === true && (serving === undefined || serving === null ? isReady : serving === true),
    zones: zonesOf(hints),
  });
}

/** Projects an EndpointSlice as the API gives it; never throws. */
export function projectEndpointSlice(raw: unknown): EndpointSliceRecord {
  const { namespace, name, labels, annotations } = metadataOf(raw);
  const { addressType, endpoints: rawEndpoints, ports } = objectAt(raw);
  const service = textAt(objectAt(labels)[serviceLabel]);
  const family = addressType === "IPv4" ? 4 : addressType === "IPv6" ? 6 : undefined;
  const invalid: string[] = [];
  const endpoints: Endpoint[] = [];
  if (family === undefined) invalid.push(`addresses of type ${JSON.stringify(addressType)} can't be balanced`);
  else {
    for (const value of listAt(rawEndpoints)) {
      const endpoint = endpointOf(value, family, invalid);
      if (endpoint !== undefined) endpoints.push(endpoint);
    }
  }
  const triggeredAtMs = Date.parse(textAt(annotations[triggerAnnotation]) ?? "");
  return Object.freeze({
    key: `${namespace}/${name}`,
    service: service === undefined ? undefined : internText(`${namespace}/${service}`),
    family,
    ports: portsOf(listAt(ports)),
    endpoints: endpoints.length === 0 ? none : Object.freeze(endpoints),
    invalid: invalid.length === 0 ? none : Object.freeze(invalid),
    triggeredAtMs: Number.isNaN(triggeredAtMs) ? undefined : triggeredAtMs,
  });
}
