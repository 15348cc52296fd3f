import type { DnsAnswer } from "./dns-message.ts";

export interface ResolvedName {
  readonly name: string;
  readonly address: string;
  /** The shortest of those on the way from the name to the address. */
  readonly ttlSeconds: number;
}

/** An alias of an alias of an alias …; resolvers give up at about as many. */
const mostAliases = 16;

/**
 * The names that an answer leads from to addresses: the one that was asked for, and each alias on the way (RFC 1034
 * section 3.6.2). What else the answer holds is about nothing that was asked for, and isn't believed.
 */
export function resolvedNames({ name, records }: DnsAnswer): readonly ResolvedName[] {
  const chain: { readonly name: string; ttlSeconds: number }[] = [];
  const seen = new Set<string>();
  for (let at: string | undefined = name; at !== undefined && !seen.has(at) && chain.length <= mostAliases; ) {
    const owner: string = at;
    seen.add(owner);
    chain.push({ name: owner, ttlSeconds: Number.POSITIVE_INFINITY });
    const alias = records.find((record) => record.kind === "alias" && record.name === owner);
    if (alias?.kind !== "alias") break;
    for (const link of chain) link.ttlSeconds = Math.min(link.ttlSeconds, alias.ttlSeconds);
    at = alias.target;
  }
  const last = chain.at(-1)?.name;
  return records.flatMap((record) => {
    if (record.kind !== "address" || record.name !== last) return [];
    return chain.map((link) => ({
      name: link.name,
      address: record.address,
      ttlSeconds: Math.min(link.ttlSeconds, record.ttlSeconds),
    }));
  });
}
