import type { LogPolicy } from "../state/namespace.ts";
import type { LoggedNamespaces } from "../translate/policy-context.ts";

/** Which namespaces log decisions of policies. */
export interface LoggingNamespaces {
  /** As of the last flush. */
  readonly logged: LoggedNamespaces;
  apply(name: string, logPolicy: LogPolicy | undefined): void;
  /** @returns those that log otherwise than before */
  flush(): ReadonlySet<string>;
}

export function createLoggedNamespaces(): LoggingNamespaces {
  const current = new Map<string, LogPolicy>();
  const flushed = new Map<string, LogPolicy>();
  const touched = new Set<string>();
  let logged: LoggedNamespaces = { allow: [], deny: [] };

  const those = (wanted: LogPolicy): readonly string[] =>
    [...current].flatMap(([name, policy]) => (policy === wanted || policy === "all" ? [name] : [])).sort();

  return {
    get logged() {
      return logged;
    },
    apply(name, logPolicy) {
      if (logPolicy === current.get(name)) return;
      if (logPolicy === undefined) current.delete(name);
      else current.set(name, logPolicy);
      touched.add(name);
    },
    flush() {
      const changed = new Set<string>();
      for (const name of touched) {
        const now = current.get(name);
        if (flushed.get(name) === now) continue;
        if (now === undefined) flushed.delete(name);
        else flushed.set(name, now);
        changed.add(name);
      }
      touched.clear();
      if (changed.size > 0) logged = { allow: those("allow"), deny: those("deny") };
      return changed;
    },
  };
}
