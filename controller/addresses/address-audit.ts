import { podNetworkAnnotation, readAnnotation } from "@ovenbird/kube";
import type { ReservedRow } from "../ipam/restore.ts";
import type { IpAddressRecord } from "../state/ip-address.ts";
import type { PodRecord } from "../state/pod.ts";
import type { AddressHolding } from "./address-holdings.ts";

/** What an audit may find, with what it means. */
export const auditCodes = {
  DUPLICATE: "Two hold one address, or two ports have it.",
  LEAKED_RESERVATION: "An address is reserved for a pod that is gone, or needs none.",
  LEAKED_ROW: "The northbound database has a port for a pod that holds no address.",
  ROW_MISSING: "A pod holds an address and has no port in the northbound database.",
  ROW_DIFFERS: "A pod's port has other addresses than are reserved for it.",
  ANNOTATION_DIFFERS: "A pod was told other addresses than are reserved for it.",
  LEAKED_IPADDRESS: "An IPAddress is in the API that nobody's addresses are kept by.",
  IPADDRESS_MISSING: "Addresses are kept beyond their pod, but no IPAddress says so.",
  IPADDRESS_DIFFERS: "An IPAddress says other addresses than are kept by it.",
} as const satisfies Record<string, string>;

export type AuditCode = keyof typeof auditCodes;

export interface AuditFinding {
  readonly code: AuditCode;
  /** `Pod/namespace/name`, `IPAddress/name` or an address. */
  readonly object: string;
  readonly message: string;
}

export interface AddressAudit {
  /** How many of each were compared. */
  readonly compared: {
    readonly pods: number;
    readonly holdings: number;
    readonly rows: number;
    readonly ipAddresses: number;
  };
  /** Rows and annotations that are being written now may differ for that moment: ask again. */
  readonly isSettled: boolean;
  readonly findings: readonly AuditFinding[];
}

export interface AuditInput {
  readonly holdings: Iterable<AddressHolding>;
  readonly rows: readonly ReservedRow[];
  readonly pods: ReadonlyMap<string, PodRecord>;
  readonly ipAddresses: ReadonlyMap<string, IpAddressRecord>;
  /** Pods whose network is announced when something else is written first. */
  readonly isSettled: boolean;
}

const same = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.toSorted().join() === b.toSorted().join();

const withoutPrefix = (text: string): string => text.split("/", 1)[0] ?? "";
const allOf = ({ addresses, infrastructure = [] }: AddressHolding): readonly string[] => [
  ...addresses,
  ...infrastructure,
];

/** Compares what is reserved with pods, their ports in the northbound database, what they were told, and IPAddress objects. */
export function auditAddresses(input: AuditInput): AddressAudit {
  const { rows, pods, ipAddresses, isSettled } = input;
  const holdings = [...input.holdings];
  const findings: AuditFinding[] = [];
  const find = (code: AuditCode, object: string, message: string) => findings.push({ code, object, message });

  const taken = new Map<string, string>();
  /** @param what which list it is: those of rows and of reservations are apart */
  function take(what: string, subnet: string, address: string, holder: string): void {
    const key = `${what} ${subnet} ${address}`;
    const other = taken.get(key);
    if (other === undefined) taken.set(key, holder);
    else if (other !== holder) find("DUPLICATE", address, `${what} ${address} is ${other}'s and ${holder}'s`);
  }

  const rowOf = new Map<string, readonly string[]>();
  for (const { owner, addresses, subnet = "" } of rows) {
    const pod = /^Pod\/([^#]+)/.exec(owner)?.[1];
    if (pod === undefined) continue;
    const [, ...words] = addresses[0]?.split(" ") ?? [];
    rowOf.set(pod, words);
    for (const address of words) take("row", subnet, address, pod);
  }

  const holdingOf = new Map<string, AddressHolding>();
  const keepers = new Set<string>();
  for (const holding of holdings) {
    const { pod, keptBy, subnet = "", addresses, infrastructure = [], waitsFor = [] } = holding;
    const holder = pod === undefined ? `IPAddress ${keptBy}` : `pod ${pod}`;
    for (const address of addresses) if (!waitsFor.includes(address)) take("reservation", subnet, address, holder);
    for (const address of infrastructure) take("infrastructure address", "", address, holder);
    if (keptBy !== undefined) keepers.add(keptBy);
    if (pod !== undefined) holdingOf.set(pod, holding);
  }

  for (const [pod, holding] of holdingOf) {
    const record = pods.get(pod);
    const text = allOf(holding).join(" ");
    if (record === undefined || record.finished || record.hostNetwork || record.uid !== holding.uid) {
      find("LEAKED_RESERVATION", `Pod/${pod}`, `${text} is reserved for a pod that is gone or needs none`);
      continue;
    }
    const row = rowOf.get(pod);
    if (row === undefined) find("ROW_MISSING", `Pod/${pod}`, `${text} is reserved, and no port has it`);
    else if (!same(row, allOf(holding)))
      find("ROW_DIFFERS", `Pod/${pod}`, `its port has ${row.join(" ")}, reserved is ${text}`);
    const annotation = readAnnotation(podNetworkAnnotation, record.networkAnnotation);
    if (annotation.kind !== "valid" || annotation.value.uid !== record.uid) continue;
    const told = [...annotation.value.addresses.map(withoutPrefix), ...(annotation.value.infrastructure ?? [])];
    if (!same(told, allOf(holding)))
      find("ANNOTATION_DIFFERS", `Pod/${pod}`, `it was told ${told.join(" ")}, reserved is ${text}`);
  }
  for (const [pod, row] of rowOf) {
    if (!holdingOf.has(pod))
      find("LEAKED_ROW", `Pod/${pod}`, `a port has ${row.join(" ")}, which is not reserved for it`);
  }
  for (const { keptBy, pod, addresses } of holdings) {
    if (keptBy === undefined) continue;
    const record = ipAddresses.get(keptBy);
    const text = addresses.join(" ");
    if (record === undefined) find("IPADDRESS_MISSING", `IPAddress/${keptBy}`, `${text} is kept by it`);
    else if (!same(record.addresses, addresses) && pod === undefined)
      find("IPADDRESS_DIFFERS", `IPAddress/${keptBy}`, `it says ${record.addresses.join(" ")}, kept is ${text}`);
  }
  for (const [name, { addresses }] of ipAddresses) {
    if (!keepers.has(name)) find("LEAKED_IPADDRESS", `IPAddress/${name}`, `${addresses.join(" ")} is kept for nobody`);
  }
  return {
    compared: { pods: pods.size, holdings: holdings.length, rows: rowOf.size, ipAddresses: ipAddresses.size },
    isSettled,
    findings,
  };
}
