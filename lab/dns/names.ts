import { isIP } from "node:net";
import { z } from "zod";
import type { Endpoint, SlicePort, SliceRecord } from "../endpoints/records.ts";
import { type DnsRecord, type Question, recordType, responseCode, reverseName } from "./message.ts";

export const clusterDomain = "cluster.local";

export interface NamedService {
  readonly namespace: string;
  readonly name: string;
  /** Empty for headless ones. */
  readonly addresses: readonly string[];
  /** Of type ExternalName: the name that this one stands for, in lower case and without the dot at the end. */
  readonly alias?: string | undefined;
  readonly publishNotReady: boolean;
  readonly ports: readonly { readonly name: string; readonly protocol: string; readonly port: number }[];
}

const shape = z.object({
  metadata: z.object({ namespace: z.string(), name: z.string() }),
  spec: z.object({
    type: z.string().optional(),
    externalName: z.string().optional(),
    clusterIPs: z.array(z.string()).default([]),
    publishNotReadyAddresses: z.boolean().default(false),
    ports: z
      .array(z.object({ name: z.string().default(""), protocol: z.string().default("TCP"), port: z.int() }))
      .default([]),
  }),
});

/** @throws ZodError when `raw` is no Service */
export function readNamedService(raw: unknown): NamedService {
  const { metadata, spec } = shape.parse(raw);
  return {
    ...metadata,
    addresses: spec.clusterIPs.filter((address) => isIP(address) !== 0),
    alias: spec.type === "ExternalName" ? spec.externalName?.toLowerCase().replace(/\.$/, "") : undefined,
    publishNotReady: spec.publishNotReadyAddresses,
    ports: spec.ports,
  };
}

export interface Answer {
  readonly code: number;
  readonly records: readonly DnsRecord[];
}

export interface Names {
  service(key: string, service: NamedService | undefined): void;
  slice(key: string, slice: SliceRecord | undefined): void;
  answer(question: Pick<Question, "name" | "type">): Answer;
}

/**
 * The names of a cluster's services (Kubernetes DNS-Based Service Discovery, specification 1.1.0): A, AAAA, SRV, PTR and
 * CNAME.
 * Of what lies outside the cluster's domain it knows nothing (REFUSED), reverse names of others do not exist.
 */
export function createNames(): Names {
  const services = new Map<string, NamedService>();
  const slices = new Map<string, SliceRecord>();
  const byService = new Map<string, Set<string>>();
  const reverse = new Map<string, string>();

  const hostOf = ({ hostname, addresses }: Endpoint) =>
    hostname ?? (addresses[0] ?? "").replace(/[.:]/g, "-").replace(/^-|-$/g, "");
  const domainOf = ({ namespace, name }: Pick<NamedService, "namespace" | "name">) =>
    `${name}.${namespace}.svc.${clusterDomain}`;

  function endpointsOf(service: NamedService): { readonly endpoint: Endpoint; readonly ports: readonly SlicePort[] }[] {
    return [...(byService.get(`${service.namespace}/${service.name}`) ?? [])].flatMap((key) => {
      const slice = slices.get(key);
      return (slice?.endpoints ?? [])
        .filter(({ conditions }) => service.publishNotReady || conditions.ready !== false)
        .map((endpoint) => ({ endpoint, ports: slice?.ports ?? [] }));
    });
  }

  /** What stands under a name; undefined when the name does not exist. */
  function recordsOf(name: string): readonly DnsRecord[] | undefined {
    const target = reverse.get(name);
    if (target !== undefined) return [{ kind: "pointer", name, target }];
    if (!name.endsWith(`.svc.${clusterDomain}`)) return undefined;
    const labels = name.slice(0, -`.svc.${clusterDomain}`.length).split(".");
    const namespace = labels.at(-1) ?? "";
    if (labels.length === 1) return [...services.values()].some((one) => one.namespace === namespace) ? [] : undefined;
    const service = services.get(`${namespace}/${labels.at(-2) ?? ""}`);
    if (service === undefined) return undefined;
    if (service.alias !== undefined) {
      return labels.length === 2 ? [{ kind: "alias", name, target: service.alias }] : undefined;
    }
    const headless = service.addresses.length === 0;
    const before = labels.slice(0, -2);
    if (before.length === 0) {
      const addresses = headless
        ? endpointsOf(service).flatMap(({ endpoint }) => endpoint.addresses)
        : service.addresses;
      // A headless service none of whose pods is ready has no address, and so no name.
      if (headless && addresses.length === 0) return undefined;
      return [...new Set(addresses)].map((address) => ({ kind: "address", name, address }));
    }
    if (before.length === 1 && headless) {
      const found = endpointsOf(service)
        .filter(({ endpoint }) => hostOf(endpoint) === before[0])
        .flatMap(({ endpoint }) => endpoint.addresses);
      return found.length === 0 ? undefined : found.map((address) => ({ kind: "address", name, address }));
    }
    const [port, protocol] = before;
    if (before.length !== 2 || port?.startsWith("_") !== true || protocol?.startsWith("_") !== true) return undefined;
    const isAsked = (one: { readonly name: string; readonly protocol: string }) =>
      one.name === port.slice(1) && one.protocol.toLowerCase() === protocol.slice(1);
    const found: DnsRecord[] = headless
      ? endpointsOf(service).flatMap(({ endpoint, ports }) =>
          ports
            .filter(isAsked)
            .flatMap(({ port: number }): DnsRecord[] =>
              number === undefined
                ? []
                : [{ kind: "service", name, port: number, target: `${hostOf(endpoint)}.${domainOf(service)}` }],
            ),
        )
      : service.ports
          .filter(isAsked)
          .map(({ port: number }) => ({ kind: "service", name, port: number, target: domainOf(service) }));
    return found.length === 0 ? undefined : found;
  }

  /** With an alias comes what it leads to, as far as the cluster's names go (RFC 1034 section 4.3.2). */
  function followed(name: string, aliases: Set<string>): readonly DnsRecord[] | undefined {
    const found = recordsOf(name);
    const [first] = found ?? [];
    if (first?.kind !== "alias") return found;
    if (aliases.has(name)) return [];
    return [first, ...(followed(first.target, aliases.add(name)) ?? [])];
  }

  function setReverse(service: NamedService | undefined, target: (name: string) => void): void {
    for (const address of service?.addresses ?? []) target(reverseName(address));
  }

  return {
    service(key, service) {
      setReverse(services.get(key), (name) => reverse.delete(name));
      if (service === undefined) services.delete(key);
      else {
        services.set(key, service);
        setReverse(service, (name) => reverse.set(name, domainOf(service)));
      }
    },
    slice(key, slice) {
      const old = slices.get(key);
      if (old !== undefined) byService.get(`${old.namespace}/${old.service}`)?.delete(key);
      if (slice === undefined) {
        slices.delete(key);
        return;
      }
      slices.set(key, slice);
      const service = `${slice.namespace}/${slice.service}`;
      const group = byService.get(service) ?? new Set<string>();
      byService.set(service, group.add(key));
    },
    answer({ name, type }) {
      const inside = name === clusterDomain || name.endsWith(`.${clusterDomain}`) || name.endsWith(".arpa");
      if (!inside) return { code: responseCode.refused, records: [] };
      const found = followed(name, new Set());
      if (found === undefined) return { code: responseCode.noSuchName, records: [] };
      return {
        code: responseCode.none,
        records: found.filter((one) => one.kind === "alias" || type === recordType.any || typeOf(one) === type),
      };
    },
  };
}

function typeOf(record: DnsRecord): number {
  if (record.kind === "address") return isIP(record.address) === 4 ? recordType.a : recordType.aaaa;
  return record.kind === "alias" ? recordType.cname : record.kind === "pointer" ? recordType.ptr : recordType.srv;
}
