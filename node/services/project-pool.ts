import { isIP } from "node:net";
import type { KubeObject } from "@ovenbird/kube";
import { addressNumber, familyOfAddress } from "./addresses.ts";
import type { PoolView } from "./service-view.ts";

interface RawPool extends KubeObject {
  readonly spec?: {
    readonly addresses?: readonly string[];
    readonly nodeSelector?: { readonly matchLabels?: Readonly<Record<string, string>> };
    readonly announce?: boolean;
  };
}

/** What can't be read as a range is left out: the controller says so in the pool's conditions. */
export function projectPool(raw: unknown): PoolView {
  const { metadata, spec } = raw as RawPool;
  return Object.freeze({
    name: metadata?.name ?? "",
    ranges: Object.freeze((spec?.addresses ?? []).flatMap((text) => rangeOf(text) ?? [])),
    nodeSelector: Object.freeze({ ...spec?.nodeSelector?.matchLabels }),
    announce: spec?.announce ?? true,
  });
}

/** Reads `192.0.2.0/28`, `192.0.2.1-192.0.2.9`, or one address. */
function rangeOf(text: string): PoolView["ranges"][number] | undefined {
  const [from = "", to] = text.split("-").map((part) => part.trim());
  const [address = "", length] = from.split("/");
  const bits = isIP(address) === 6 ? 128 : 32;
  if (isIP(address) === 0 || (to !== undefined && (length !== undefined || isIP(to) !== isIP(address))))
    return undefined;
  const family = familyOfAddress(address);
  const first = addressNumber(address);
  if (to !== undefined) return Object.freeze({ family, first, last: addressNumber(to) });
  const prefix = length === undefined ? bits : Number(length);
  if (!(Number.isInteger(prefix) && prefix >= 0 && prefix <= bits)) return undefined;
  const size = 1n << BigInt(bits - prefix);
  const base = first - (first % size);
  return Object.freeze({ family, first: base, last: base + size - 1n });
}

/** The pool that an address belongs to. Pools don't overlap; where they do, the first by name has it. */
export function poolOf(pools: ReadonlyMap<string, PoolView>, address: string): PoolView | undefined {
  const family = familyOfAddress(address);
  const number = addressNumber(address);
  let found: PoolView | undefined;
  for (const pool of pools.values()) {
    const holds = pool.ranges.some((range) => range.family === family && range.first <= number && number <= range.last);
    if (holds && (found === undefined || pool.name < found.name)) found = pool;
  }
  return found;
}
