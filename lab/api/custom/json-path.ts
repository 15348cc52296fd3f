import { isObject, type JsonValue } from "../object.ts";

/** Takes the values that a path step leads to. */
type Step = (value: JsonValue) => readonly JsonValue[];

function field(name: string): Step {
  return (value) => {
    if (!isObject(value) || !Object.hasOwn(value, name)) return [];
    const member = value[name];
    return member === undefined ? [] : [member];
  };
}

const all: Step = (value) =>
  Array.isArray(value) ? value : isObject(value) ? Object.values(value).filter((member) => member !== undefined) : [];

function filtered(path: string, operator: string | undefined, wanted: JsonValue | undefined): Step {
  const read = parseJsonPath(path);
  return (value) =>
    all(value).filter((member) => {
      const actual = read?.(member)[0];
      if (operator === undefined) return actual !== undefined;
      return operator === "==" ? actual === wanted : actual !== wanted;
    });
}

function bracketStep(inner: string): Step | undefined {
  if (inner === "*") return all;
  const index = /^-?\d+$/.exec(inner);
  if (index !== null) {
    return (value) => {
      const member = Array.isArray(value) ? value.at(Number(inner)) : undefined;
      return member === undefined ? [] : [member];
    };
  }
  const quoted = /^(['"])(.*)\1$/.exec(inner);
  if (quoted !== null) return field(quoted[2] ?? "");
  const filter = /^\?\(\s*@([^=!\s]*)\s*(?:(==|!=)\s*(.+?))?\s*\)$/.exec(inner);
  if (filter === null) return undefined;
  const text = filter[3]?.replace(/^'(.*)'$/, '"$1"');
  let wanted: JsonValue | undefined;
  if (text !== undefined) {
    try {
      wanted = JSON.parse(text) as JsonValue;
    } catch {
      return undefined;
    }
  }
  return filtered(filter[1] ?? "", filter[2], wanted);
}

/**
 * The JSONPath of additionalPrinterColumns: fields (with `\.` escaped dots), indexes, `[*]`, quoted keys and simple
 * filters. Returns a reader of all values that match, undefined when the path isn't understood.
 */
export function parseJsonPath(path: string): ((value: JsonValue) => readonly JsonValue[]) | undefined {
  const steps: Step[] = [];
  let rest = path.trim();
  if (rest.startsWith("{") && rest.endsWith("}")) rest = rest.slice(1, -1);
  if (rest.startsWith("$")) rest = rest.slice(1);
  while (rest !== "") {
    const named = /^\.?((?:\\.|[^.[\]\\])+)/.exec(rest);
    const bracket = /^\.?\[((?:\?\([^)]*\)|'[^']*'|"[^"]*"|[^\]])+)\]/.exec(rest);
    if (bracket !== null) {
      const step = bracketStep((bracket[1] ?? "").trim());
      if (step === undefined) return undefined;
      steps.push(step);
      rest = rest.slice(bracket[0].length);
    } else if (named !== null) {
      const name = (named[1] ?? "").replace(/\\(.)/g, "$1");
      steps.push(name === "*" ? all : field(name));
      rest = rest.slice(named[0].length);
    } else if (rest === ".") break;
    else return undefined;
  }
  return (value) => steps.reduce<readonly JsonValue[]>((values, step) => values.flatMap(step), [value]);
}
