import { canonicalDomain } from "@ovenbird/kube";
import { formatAddress, parseAddress } from "../ipam/address.ts";
import { metadataOf, objectAt, textAt } from "./raw-object.ts";

/** What the graph is told of a domain name: where it leads at this moment. */
export interface DomainRecord {
  /** The name itself, in lower case and without the dot at its end; never a wildcard. */
  readonly key: string;
  /** Canonical texts of both families, each once, sorted; at least one. */
  readonly addresses: readonly string[];
}

/** What the controller keeps of a DomainName object. */
export interface DomainNameRecord {
  /** The object's own name. */
  readonly key: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly createdAtMs: number;
  /** Undefined where the object gives no domain name. */
  readonly domain: string | undefined;
  /** Until when each address counts, in milliseconds since 1970; what can't be read is not there. */
  readonly expiries: ReadonlyMap<string, number>;
}

/** Projects a DomainName as the API gives it; never throws. */
export function projectDomainName(raw: unknown): DomainNameRecord {
  const { name, uid } = metadataOf(raw);
  const { metadata, spec, status } = objectAt(raw);
  const { resourceVersion, creationTimestamp } = objectAt(metadata);
  const domain = canonicalDomain(textAt(objectAt(spec).name) ?? "");
  const expiries = new Map<string, number>();
  for (const [text, expiry] of Object.entries(objectAt(objectAt(status).addresses))) {
    const parsed = parseAddress(text);
    const expiresAtMs = Date.parse(String(expiry));
    if (parsed === undefined || Number.isNaN(expiresAtMs)) continue;
    const address = formatAddress(parsed);
    expiries.set(address, Math.max(expiresAtMs, expiries.get(address) ?? 0));
  }
  const createdAtMs = Date.parse(textAt(creationTimestamp) ?? "");
  return Object.freeze({
    key: name,
    uid,
    resourceVersion: textAt(resourceVersion) ?? "",
    createdAtMs: Number.isNaN(createdAtMs) ? 0 : createdAtMs,
    domain: domain?.startsWith("*.") ? undefined : domain,
    expiries,
  });
}
