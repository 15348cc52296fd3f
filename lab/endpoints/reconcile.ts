import { isDeepStrictEqual } from "node:util";
import { type EndpointGroup, portsKey } from "./desired.ts";
import type { Endpoint, SliceRecord } from "./records.ts";

export interface SliceChanges {
  readonly create: readonly EndpointGroup[];
  readonly update: readonly { readonly slice: SliceRecord; readonly endpoints: readonly Endpoint[] }[];
  readonly remove: readonly SliceRecord[];
}

/** Upstream's default for `--max-endpoints-per-slice`. */
const mostPerSlice = 100;

/**
 * The fewest writes that bring the slices of a service to say what the groups say: an endpoint stays in the slice that
 * it is in, new ones fill the fullest slices that have room. Pure.
 */
export function reconcileSlices(existing: readonly SliceRecord[], groups: readonly EndpointGroup[]): SliceChanges {
  const left = new Set(existing);
  const create: EndpointGroup[] = [];
  const update: { slice: SliceRecord; endpoints: Endpoint[] }[] = [];
  for (const group of groups) {
    const key = portsKey(group.ports);
    const mine = existing.filter(({ family, ports }) => family === group.family && portsKey(ports) === key);
    const missing = new Map(group.endpoints.map((endpoint) => [identityOf(endpoint), endpoint]));
    const kept = mine.map((slice) => {
      const endpoints = slice.endpoints.flatMap((endpoint) => {
        const wanted = missing.get(identityOf(endpoint));
        missing.delete(identityOf(endpoint));
        return wanted ?? [];
      });
      return { slice, endpoints };
    });
    const newcomers = [...missing.values()];
    for (const { endpoints } of [...kept].sort((a, b) => b.endpoints.length - a.endpoints.length))
      endpoints.push(...newcomers.splice(0, Math.max(0, mostPerSlice - endpoints.length)));
    // The last of a group without endpoints stays.
    const stays = kept.filter(({ endpoints }) => endpoints.length > 0);
    if (stays.length === 0 && group.endpoints.length === 0) stays.push(...kept.slice(0, 1));
    for (const { slice, endpoints } of stays) {
      left.delete(slice);
      if (!isDeepStrictEqual(slice.endpoints, endpoints)) update.push({ slice, endpoints });
    }
    while (newcomers.length > 0) create.push({ ...group, endpoints: newcomers.splice(0, mostPerSlice) });
    if (stays.length === 0 && group.endpoints.length === 0) create.push(group);
  }
  return { create, update, remove: [...left] };
}

function identityOf({ addresses, targetRef }: Endpoint): string {
  return `${addresses.join()} ${targetRef?.uid ?? ""}`;
}
