import { formatAddress, parseAddress } from "../ipam/address.ts";
import {
  type AliasContext,
  type Asked,
  askedFor,
  type RequestField,
  requestAnnotations,
} from "./annotation-aliases.ts";
import { createInterner } from "./interner.ts";
import type { Problem } from "./object-problem.ts";
import type { PodNetworkRequest, PodQos } from "./pod-network-request.ts";
import type { RawObject } from "./raw-object.ts";
import { parseMac } from "./resource-record.ts";

/** Pods of one workload ask for the same. */
const requests = createInterner<PodNetworkRequest>(4_096);

const mostCandidates = 256;
const mostPools = 16;
const objectName = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
/** A DNS label (RFC 1123): it is a part of the name of an IPAddress. */
const stickyKey = /^(?=.{1,63}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

const scales: Readonly<Record<string, number>> = {
  ...{ "": 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15 },
  ...{ Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50 },
};
/** What kubelet's own bandwidth plugin lets through (k8s.io/kubernetes/pkg/util/bandwidth): 1k to 1P bits per second. */
const leastBits = 1e3;
const mostBits = 1e15;
/** `QoS.bandwidth:rate` in kbit/s, ovn-nb(5). */
const mostKbps = 4_294_967_295;

/** A quantity of bits per second (apimachinery, resource.Quantity) in kbit/s. */
export function parseKbps(text: string): number | undefined {
  const [, digits, exponent, suffix] =
    /^(\d{1,18}(?:\.\d{0,9})?)(?:[eE](\d{1,2})|([KMGTP]i|[kMGTP]))?$/.exec(text) ?? [];
  if (digits === undefined) return undefined;
  const bits =
    Number(digits) * (exponent === undefined ? (scales[suffix ?? ""] ?? Number.NaN) : 10 ** Number(exponent));
  return bits >= leastBits && bits <= mostBits ? Math.min(Math.floor(bits / 1e3), mostKbps) : undefined;
}

const mostSeconds = 2 ** 31 - 1;

/** Seconds, or days, hours, minutes and seconds with their letters (`1h30m`). */
export function parseSeconds(text: string): number | undefined {
  if (/^\d{1,10}$/.test(text)) return Number(text) <= mostSeconds ? Number(text) : undefined;
  const [whole, days, hours, minutes, seconds] =
    /^(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,8})m)?(?:(\d{1,10})s)?$/.exec(text) ?? [];
  if (whole === undefined || whole === "") return undefined;
  const total =
    Number(days ?? 0) * 86_400 + Number(hours ?? 0) * 3_600 + Number(minutes ?? 0) * 60 + Number(seconds ?? 0);
  return total <= mostSeconds ? total : undefined;
}

function parseSmall(text: string, most: number): number | undefined {
  return /^\d{1,2}$/.test(text) && Number(text) <= most ? Number(text) : undefined;
}

function parseNames(text: string): readonly string[] | undefined {
  const names = [...new Set(text.split(",").map((part) => part.trim()))];
  return names.length <= mostPools && names.every((name) => objectName.test(name)) ? names : undefined;
}

function parseAddresses(text: string): readonly string[] | undefined {
  const parsed = text.split(",").map((part) => parseAddress(part.trim()));
  if (parsed.length > mostCandidates) return undefined;
  const addresses = parsed.flatMap((address) => (address === undefined ? [] : formatAddress(address)));
  return addresses.length === parsed.length ? [...new Set(addresses)] : undefined;
}

const expected: Readonly<Record<RequestField, string>> = {
  subnet: "the name of a Subnet",
  addresses: `addresses with commas, ${mostCandidates} at most`,
  mac: "a hardware address of one interface",
  pools: `names of IPPools with commas, ${mostPools} at most`,
  sticky: "a key of at most 63 lower-case letters, digits and -",
  stickySeconds: "a time such as 300, 90s, 15m, 2h or 1d",
  dscp: "0 to 63",
  priority: "0 to 7",
  ingressBandwidth: "bits per second between 1k and 1P, such as 10M",
  egressBandwidth: "bits per second between 1k and 1P, such as 10M",
};

/** RFC 2474 section 4.2.2.1: the class selectors are the multiples of 8. */
const dscpOfPriority = (priority: number): number => priority * 8;

function readRequest(annotations: ReadonlyMap<string, string>, pod: AliasContext): PodNetworkRequest | undefined {
  const problems: Problem[] = [];
  const read = <T>(field: RequestField, parse: (text: string) => T | undefined): T | undefined => {
    const asked: Asked | undefined = askedFor(field, annotations, pod);
    if (asked === undefined) return undefined;
    const value = parse(asked.value.trim());
    if (value === undefined) {
      const message = `${asked.key} is ${JSON.stringify(asked.value.slice(0, 256))}, and not ${expected[field]}`;
      problems.push({ code: "INVALID_POD_REQUEST", message });
    }
    return value;
  };
  const name = (pattern: RegExp) => (text: string) => (pattern.test(text) ? text : undefined);
  const priority = read("priority", (text) => parseSmall(text, 7));
  const dscp =
    read("dscp", (text) => parseSmall(text, 63)) ?? (priority === undefined ? undefined : dscpOfPriority(priority));
  const ingressKbps = read("ingressBandwidth", parseKbps);
  const egressKbps = read("egressBandwidth", parseKbps);
  const isPlain = dscp === undefined && ingressKbps === undefined && egressKbps === undefined;
  const qos: PodQos | undefined = isPlain ? undefined : Object.freeze({ ingressKbps, egressKbps, dscp });
  const request = {
    subnet: read("subnet", name(objectName)),
    addresses: Object.freeze(read("addresses", parseAddresses) ?? []),
    mac: read("mac", parseMac),
    pools: Object.freeze(read("pools", parseNames) ?? []),
    sticky: read("sticky", name(stickyKey)),
    stickySeconds: read("stickySeconds", parseSeconds),
    qos,
    problems: Object.freeze(problems),
  };
  const asksForNothing = Object.values(request).every(
    (part) => part === undefined || (Array.isArray(part) && part.length === 0),
  );
  return asksForNothing ? undefined : Object.freeze(request);
}

/** What a pod's annotations ask for; undefined where they ask for nothing, and the same object where they ask for the same. */
export function readPodRequest(annotations: RawObject, pod: AliasContext): PodNetworkRequest | undefined {
  let found: Map<string, string> | undefined;
  for (const key of Object.keys(annotations)) {
    const value = annotations[key];
    if (typeof value === "string" && requestAnnotations.has(key)) {
      found ??= new Map();
      found.set(key, value);
    }
  }
  if (found === undefined) return undefined;
  const request = readRequest(found, pod);
  return request === undefined ? undefined : requests.intern(JSON.stringify(request), () => request);
}

/** The Subnet that a namespace's annotations name. */
export function namespaceSubnet(annotations: RawObject): string | undefined {
  return readPodRequest(annotations, { podName: "", workload: undefined })?.subnet;
}
