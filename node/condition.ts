/** One thing that must hold before the node can take pods; `/readyz`, `/metrics` and STATUS tell of it. */
export interface Condition {
  readonly name: string;
  /** Why it does not hold, in a few words; undefined when it holds. */
  readonly problem: () => string | undefined;
}

/**
 * The conditions by their names, each with a reason from the start: whoever asks while the agent still waits for its
 * first connection gets an answer, and what is found out later only replaces the reason.
 */
export function createConditions<Name extends string>(
  initial: Readonly<Record<Name, string>>,
): {
  /** In the order given. */
  readonly list: readonly (Condition & { readonly name: Name })[];
  /** From now on this tells whether the condition holds. */
  follow(name: Name, problem: () => string | undefined): void;
} {
  const problems = new Map<Name, () => string | undefined>();
  const names = Object.keys(initial) as Name[];
  return {
    list: names.map((name) => ({
      name,
      problem() {
        const follow = problems.get(name);
        return follow ? follow() : initial[name];
      },
    })),
    follow(name, problem) {
      problems.set(name, problem);
    },
  };
}
