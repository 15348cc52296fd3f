import type { ObjectProblem, ObjectReference, Problem } from "../state/object-problem.ts";

/** Tells of each problem once: again only when its words change, or after it was gone. */
export interface ProblemLog {
  /** Sets what is wrong with an object now; an empty list when nothing is. */
  set(object: ObjectReference, problems: readonly Problem[]): void;
  /** The object is gone. */
  forget(kind: ObjectReference["kind"], key: string): void;
  /** How many objects have a problem. */
  readonly size: number;
}

export function createProblemLog(report: (problem: ObjectProblem) => void): ProblemLog {
  const current = new Map<string, readonly Problem[]>();
  return {
    set(object, problems) {
      const id = `${object.kind}/${object.key}`;
      const before = current.get(id) ?? [];
      if (problems.length === 0) {
        current.delete(id);
        return;
      }
      current.set(id, problems);
      for (const problem of problems) {
        const known = before.some(({ code, message }) => code === problem.code && message === problem.message);
        if (!known) report({ ...problem, object });
      }
    },
    forget(kind, key) {
      current.delete(`${kind}/${key}`);
    },
    get size() {
      return current.size;
    },
  };
}
