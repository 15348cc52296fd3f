import { badRequest } from "./status.ts";
import type { Entry } from "./storage/entry.ts";

/** Decides whether an entry is selected; undefined selects everything. */
export type Selector = ((entry: Entry) => boolean) | undefined;

interface Requirement {
  readonly key: string;
  readonly operator: "=" | "!=" | "in" | "notin" | "exists" | "!" | ">" | "<";
  readonly values: readonly string[];
}

const labelKey =
  /^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const labelValue = /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/;

/** Splits at commas that stand outside of parentheses. */
function splitRequirements(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let index = 0; index < text.length; index += 1) {
    const char = text[index];
    if (char === "(") depth += 1;
    else if (char === ")") depth -= 1;
    else if (char === "," && depth === 0) {
      parts.push(text.slice(start, index));
      start = index + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}

function parseRequirement(text: string): Requirement {
  const trimmed = text.trim();
  const set = /^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/.exec(trimmed);
  if (set !== null) {
    const values = (set[3] ?? "").split(",").map((value) => value.trim());
    return { key: set[1] ?? "", operator: set[2] === "in" ? "in" : "notin", values };
  }
  if (trimmed.startsWith("!")) return { key: trimmed.slice(1).trim(), operator: "!", values: [] };
  const comparison = /^([^=!<>\s]+)\s*(==|!=|=|>|<)\s*([^=!<>\s]*)$/.exec(trimmed);
  if (comparison !== null) {
    const operator = comparison[2] === "==" ? "=" : (comparison[2] as "=" | "!=" | ">" | "<");
    return { key: comparison[1] ?? "", operator, values: [comparison[3] ?? ""] };
  }
  return { key: trimmed, operator: "exists", values: [] };
}

function meets(labels: Readonly<Record<string, string>>, { key, operator, values }: Requirement): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case "exists":
      return value !== undefined;
    case "!":
      return value === undefined;
    case "=":
      return value === values[0];
    case "!=":
      return value !== values[0];
    case "in":
      return value !== undefined && values.includes(value);
    case "notin":
      return value === undefined || !values.includes(value);
    case ">":
      return value !== undefined && /^-?\d+$/.test(value) && Number(value) > Number(values[0]);
    case "<":
      return value !== undefined && /^-?\d+$/.test(value) && Number(value) < Number(values[0]);
  }
}

/** Label selectors with all operators of the API: `=`, `==`, `!=`, `in`, `notin`, `key`, `!key`, `>`, `<`. 400 when malformed. */
export function parseLabelSelector(text: string | undefined): Selector {
  if (text === undefined || text.trim() === "") return undefined;
  const requirements = splitRequirements(text).map(parseRequirement);
  for (const { key, operator, values } of requirements) {
    if (!labelKey.test(key) || key.length > 317)
      throw badRequest(`unable to parse requirement: ${JSON.stringify(key)} is no label key`);
    const numeric = operator === ">" || operator === "<";
    const bad = values.find((value) =>
      numeric ? !/^-?\d+$/.test(value) : !labelValue.test(value) || value.length > 63,
    );
    if (bad !== undefined) throw badRequest(`unable to parse requirement: ${JSON.stringify(bad)} is no label value`);
  }
  return ({ labels }) => requirements.every((requirement) => meets(labels, requirement));
}

export interface FieldSelector {
  readonly matches: Selector;
  /** The name when the selector asks for exactly one: such a list needs no scan. */
  readonly name: string | undefined;
}

/** Splits at commas, `\,` `\=` and `\\` escaped as in `fields.EscapeValue`. */
function splitFields(text: string): string[] {
  return text.match(/(?:\\.|[^,\\])+/g) ?? [];
}

/**
 * Field selectors: `metadata.name`, `metadata.namespace` and what the kind offers, with `=`, `==`, `!=`.
 * 400 for a field that the kind doesn't offer.
 */
export function parseFieldSelector(text: string | undefined, supported: readonly string[]): FieldSelector {
  if (text === undefined || text.trim() === "") return { matches: undefined, name: undefined };
  const terms = splitFields(text).map((term) => {
    const parts = /^\s*([^=!\s]+?)\s*(!=|==|=)\s*(.*)$/.exec(term);
    if (parts === null)
      throw badRequest(`invalid selector: ${JSON.stringify(text)}; can't understand ${JSON.stringify(term)}`);
    const [, field = "", operator, raw = ""] = parts;
    if (field !== "metadata.name" && field !== "metadata.namespace" && !supported.includes(field)) {
      throw badRequest(`field label not supported: ${field}`);
    }
    return { field, equal: operator !== "!=", value: raw.trim().replace(/\\(.)/g, "$1") };
  });
  const named = terms.find(({ field, equal }) => field === "metadata.name" && equal);
  return {
    name: named?.value,
    matches: (entry) =>
      terms.every(({ field, equal, value }) => {
        const actual =
          field === "metadata.name"
            ? entry.name
            : field === "metadata.namespace"
              ? entry.namespace
              : (entry.fields[field] ?? "");
        return (actual === value) === equal;
      }),
  };
}

export function both(first: Selector, second: Selector): Selector {
  if (first === undefined) return second;
  if (second === undefined) return first;
  return (entry) => first(entry) && second(entry);
}
