import { createInterner } from "./interner.ts";
import { objectAt } from "./raw-object.ts";

/** Labels sorted by key. Equal sets are usually the same object, since the pods of one workload share it. */
export type Labels = Readonly<Record<string, string>>;

const noLabels: Labels = Object.freeze({});
const labelSets = createInterner<Labels>(16_384);

/** Projects `metadata.labels`; a value that isn't text is left out. */
export function projectLabels(raw: unknown): Labels {
  const source = objectAt(raw);
  const keys = Object.keys(source);
  if (keys.length === 0) return noLabels;
  keys.sort();
  let signature = "";
  for (const key of keys) {
    const value = source[key];
    // Neither keys nor values of labels may contain these separators.
    if (typeof value === "string") signature += `${key}=${value},`;
  }
  return labelSets.intern(signature, () =>
    Object.freeze(
      Object.fromEntries(keys.flatMap((key) => (typeof source[key] === "string" ? [[key, source[key]]] : []))),
    ),
  );
}
