import type { KubeObject } from "@ovenbird/kube";
import { canonicalAddress } from "../services/addresses.ts";

/** What is known of a domain name, to all nodes. */
export interface KnownName {
  readonly name: string;
  /** Until when each address counts, in ms since 1970. */
  readonly expiries: ReadonlyMap<string, number>;
}

/** What of the object matters here: until when each address counts. @throws TypeError for what is no object */
export function projectKnownName(raw: unknown): KnownName {
  const { spec, status } = raw as KubeObject & {
    readonly spec?: { readonly name?: unknown };
    readonly status?: { readonly addresses?: Readonly<Record<string, unknown>> };
  };
  const expiries = Object.entries(status?.addresses ?? {}).flatMap(([text, expiry]) => {
    const address = canonicalAddress(text);
    const at = Date.parse(String(expiry));
    return address === undefined || Number.isNaN(at) ? [] : [[address, at] as const];
  });
  return { name: String(spec?.name), expiries: new Map(expiries) };
}
