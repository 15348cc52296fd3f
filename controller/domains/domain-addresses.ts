import { domainPatternsOf } from "@ovenbird/kube";

/** Where domain names lead, asked by what policies give: names and wildcards. Asking costs the names that match. */
export interface DomainAddresses {
  /** @param addresses where the name leads now; none takes the name out */
  set(name: string, addresses: readonly string[]): void;
  /** Each address once, in no order. */
  of(patterns: readonly string[]): ReadonlySet<string>;
}

export function createDomainAddresses(): DomainAddresses {
  const byName = new Map<string, readonly string[]>();
  /** Names by the wildcards that mean them. */
  const byWildcard = new Map<string, Set<string>>();

  return {
    set(name, addresses) {
      const [, ...wildcards] = domainPatternsOf(name);
      if (addresses.length > 0) {
        byName.set(name, addresses);
        for (const wildcard of wildcards) byWildcard.set(wildcard, (byWildcard.get(wildcard) ?? new Set()).add(name));
        return;
      }
      if (!byName.delete(name)) return;
      for (const wildcard of wildcards) {
        const names = byWildcard.get(wildcard);
        names?.delete(name);
        if (names?.size === 0) byWildcard.delete(wildcard);
      }
    },
    of(patterns) {
      const addresses = new Set<string>();
      const add = (name: string) => {
        for (const address of byName.get(name) ?? []) addresses.add(address);
      };
      for (const pattern of patterns) {
        if (pattern.startsWith("*.")) for (const name of byWildcard.get(pattern) ?? []) add(name);
        else add(pattern);
      }
      return addresses;
    },
  };
}
