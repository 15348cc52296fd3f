import type * as z from "zod";
import { prettifyError } from "zod";
import { cidrOf, formatAddress, parseAddress, parseAddressWithPrefix } from "../ipam/address.ts";
import { type AddressRange, parseRange } from "../pools/address-range.ts";
import { readLabelSelector } from "./label-selector.ts";
import { isAbsent, listAt, metadataOf, objectAt, type RawObject, textAt } from "./raw-object.ts";
import type { NamespaceSelection, ResourceRecord } from "./selection.ts";
import type { Requirement } from "./selector.ts";

/**
 * Reading the objects of Ovenbird's own kinds. An API server that has their definitions lets few mistakes through, but it
 * isn't counted on: each reader gives what could be read, and tells of the rest.
 */

/** Takes what is wrong with a spec, in words for its user. */
export type Complain = (message: string) => void;

/** The fields that all kinds have, and the spec; `problems` is read when the record is made. */
export function projectResource<Own extends object>(
  raw: unknown,
  schema: z.ZodType,
  readSpec: (spec: RawObject, complain: Complain, object: RawObject) => Own,
): Own & ResourceRecord {
  const { namespace, name, uid, deleting } = metadataOf(raw);
  const object = objectAt(raw);
  const { creationTimestamp, generation, finalizers, resourceVersion } = objectAt(object.metadata);
  const problems: string[] = [];
  const spec = isAbsent(object.spec) ? {} : object.spec;
  const shape = schema.safeParse(spec);
  if (!shape.success) problems.push(prettifyError(shape.error).replaceAll("\n", " "));
  const own = readSpec(objectAt(spec), (message) => problems.push(message), object);
  const transitions = listAt(objectAt(object.status).conditions).flatMap((entry) => {
    const { type, status, lastTransitionTime } = objectAt(entry);
    const time = textAt(lastTransitionTime);
    return time === undefined ? [] : [[`${String(type)}=${String(status)}`, time] as const];
  });
  return Object.freeze({
    ...own,
    key: namespace === "" ? name : `${namespace}/${name}`,
    uid,
    resourceVersion: textAt(resourceVersion) ?? "",
    createdAt: textAt(creationTimestamp) ?? "",
    generation: typeof generation === "number" ? generation : 0,
    deleting,
    finalizers: Object.freeze(listAt(finalizers).filter((each) => typeof each === "string")),
    problem: problems.length === 0 ? undefined : problems.join("; "),
    statusText: JSON.stringify(object.status ?? {}),
    transitions: Object.freeze(Object.fromEntries(transitions)),
  });
}

const labelPattern = /^(?=.{1,63}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

/** Dots part the names of rows that bear this one. */
export function requireLabelName(object: RawObject, complain: Complain): void {
  const name = textAt(objectAt(object.metadata).name) ?? "";
  if (!labelPattern.test(name)) complain(`metadata.name: ${name} has dots, or more than 63 characters`);
}

/** Texts of a list; what is something else has been told of by the schema. */
export const textsAt = (value: unknown): readonly string[] => listAt(value).filter((each) => typeof each === "string");

/** A selector's conditions; undefined where it can't be read, so that it selects nothing. */
export function readSelector(raw: unknown, field: string, complain: Complain): readonly Requirement[] | undefined {
  const requirements = readLabelSelector(raw);
  if (typeof requirements !== "string") return requirements;
  complain(`${field}: ${requirements}`);
  return undefined;
}

export function readNamespaceSelection(raw: unknown, complain: Complain): NamespaceSelection {
  const { names, selector } = objectAt(raw);
  return Object.freeze({
    names: Object.freeze([...new Set(textsAt(names))].sort()),
    requirements: isAbsent(selector) ? undefined : readSelector(selector, "namespaces.selector", complain),
  });
}

/** @returns the address in canonical form */
export function readAddress(text: string, field: string, complain: Complain): string | undefined {
  const parsed = parseAddress(text);
  if (parsed === undefined) complain(`${field}: ${JSON.stringify(text)} is not an address`);
  return parsed === undefined ? undefined : formatAddress(parsed);
}

/** In canonical form, at most one per family, IPv4 first. */
export function readAddressPair(raw: unknown, field: string, complain: Complain): readonly string[] {
  const byFamily = new Map<4 | 6, string>();
  for (const text of textsAt(raw)) {
    const address = readAddress(text, field, complain);
    if (address === undefined) continue;
    const family = address.includes(":") ? 6 : 4;
    if (byFamily.has(family)) complain(`${field}: ${text} is a second IPv${family} address`);
    else byFamily.set(family, address);
  }
  return Object.freeze([4, 6].flatMap((family) => byFamily.get(family as 4 | 6) ?? []));
}

/** A network without host bits, in canonical form. */
export function readCidr(text: string, field: string, complain: Complain) {
  const parsed = parseAddressWithPrefix(text);
  if (parsed === undefined) {
    complain(`${field}: ${JSON.stringify(text)} is not an address with a prefix length`);
    return undefined;
  }
  const cidr = cidrOf(parsed, parsed.prefixLength);
  if (cidr.base === parsed.value) return cidr;
  complain(`${field}: ${text} has bits set beyond its prefix; the network is ${cidr.text}`);
  return undefined;
}

/** Single addresses, networks, and `first-last`. */
export function readRanges(raw: unknown, field: string, complain: Complain): readonly AddressRange[] {
  return Object.freeze(
    textsAt(raw).flatMap((text) => {
      const single = parseAddress(text);
      if (single !== undefined) return [{ family: single.family, first: single.value, last: single.value }];
      const range = parseRange(text);
      if (range === undefined) complain(`${field}: ${JSON.stringify(text)} is no address, network or range`);
      return range ?? [];
    }),
  );
}

const macPattern = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;

/** Lower-case; undefined where it is none that an interface can have (IEEE 802: the lowest bit of the first octet means a group). */
export function parseMac(text: string): string | undefined {
  const mac = text.toLowerCase();
  const isUsable =
    macPattern.test(mac) && mac !== "00:00:00:00:00:00" && (Number.parseInt(mac.slice(0, 2), 16) & 1) === 0;
  return isUsable ? mac : undefined;
}
