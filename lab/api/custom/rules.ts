import { isObject, type JsonObject, type JsonValue, objectOr, objectsOf, stringOr } from "../object.ts";
import { type Cause, causes } from "../status.ts";
import { compileRule, type Rule } from "./cel.ts";

interface SchemaRule {
  readonly text: string;
  readonly message: string;
  /** Undefined where it isn't understood. */
  readonly rule: Rule | undefined;
}

const compiled = new WeakMap<JsonObject, readonly SchemaRule[]>();

/** The rules that stand at this part of a schema (apiextensions/v1, `x-kubernetes-validations`). */
function rulesAt(schema: JsonObject): readonly SchemaRule[] {
  const known = compiled.get(schema);
  if (known !== undefined) return known;
  const rules = objectsOf(schema["x-kubernetes-validations"]).map((each) => {
    const text = stringOr(each.rule);
    return { text, message: stringOr(each.message) || `failed rule: ${text}`, rule: compileRule(text) };
  });
  compiled.set(schema, rules);
  return rules;
}

/** Whether the schema has rules that aren't understood here, and so aren't evaluated. */
export function hasForeignRules(schema: JsonValue | undefined): boolean {
  if (Array.isArray(schema)) return schema.some(hasForeignRules);
  if (!isObject(schema)) return false;
  return (
    rulesAt(schema).some(({ rule }) => rule === undefined) ||
    Object.values(schema).some((part) => hasForeignRules(part))
  );
}

/**
 * What rules an object breaks.
 * @param old of a change, what was before: entries of lists have no past, as they aren't told from each other
 */
export function brokenRules(
  schema: JsonObject,
  value: JsonValue | undefined,
  old: JsonValue | undefined,
  path = "",
): Cause[] {
  if (value === undefined || value === null) return [];
  const broken = rulesAt(schema).flatMap(({ message, rule, text }) => {
    if (rule === undefined || (rule.isTransition && old === undefined)) return [];
    const isMet = rule.isMet(value, old);
    if (isMet === true) return [];
    return [causes.invalid(path || "<nil>", value, isMet === undefined ? `rule can't be evaluated: ${text}` : message)];
  });
  const inner = (part: JsonValue | undefined, member: JsonValue, before: JsonValue | undefined, at: string) =>
    isObject(part) ? brokenRules(part, member, before, at) : [];
  if (Array.isArray(value)) {
    return [
      ...broken,
      ...value.flatMap((member, index) => inner(schema.items, member, undefined, `${path}[${index}]`)),
    ];
  }
  if (!isObject(value)) return broken;
  const properties = objectOr(schema.properties);
  return [
    ...broken,
    ...Object.entries(value).flatMap(([key, member]) =>
      member === undefined
        ? []
        : inner(
            properties[key] ?? schema.additionalProperties,
            member,
            isObject(old) ? old[key] : undefined,
            path === "" ? key : `${path}.${key}`,
          ),
    ),
  ];
}
