import { isObject, type JsonValue } from "../object.ts";

/**
 * The part of the Common Expression Language (cel-spec, "Syntax") that rules of small definitions need: fields of `self`
 * and `oldSelf`, texts, whole numbers, `true` and `false`, comparison, `!`, `&&`, `||`, brackets, entries of lists
 * by number, `has()` and `size()`.
 */
export interface Rule {
  /** Rules about what was before only count for changes. */
  readonly isTransition: boolean;
  /** Whether it is met; undefined where it can't be told, as where a field that it reads is missing. */
  readonly isMet: (self: JsonValue, oldSelf: JsonValue | undefined) => boolean | undefined;
}

type Value = JsonValue | undefined;
interface Scope {
  readonly self: Value;
  readonly oldSelf: Value;
}
type Expression = (scope: Scope) => Value;

const token = /\s*(?:(&&|\|\||==|!=|<=|>=|[!<>().[\]])|(\d+)|'([^'\\]*)'|"([^"\\]*)"|([A-Za-z_]\w*))/y;

class NotUnderstood extends Error {}
/** The value of an expression that fails, as a missing field does. */
class Failure extends Error {}

interface Token {
  readonly kind: "operator" | "number" | "text" | "name";
  readonly text: string;
}

function tokensOf(source: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (source.slice(at).trim() !== "") {
    token.lastIndex = at;
    const match = token.exec(source);
    if (match === null) throw new NotUnderstood();
    const [, operator, number, single, double, name] = match;
    at = token.lastIndex;
    if (operator !== undefined) tokens.push({ kind: "operator", text: operator });
    else if (number !== undefined) tokens.push({ kind: "number", text: number });
    else if (name !== undefined) tokens.push({ kind: "name", text: name });
    else tokens.push({ kind: "text", text: single ?? double ?? "" });
  }
  return tokens;
}

function asBoolean(value: Value): boolean {
  if (typeof value !== "boolean") throw new Failure();
  return value;
}

const same = (a: Value, b: Value): boolean => JSON.stringify(a) === JSON.stringify(b);

function sizeOf(value: Value): number {
  if (typeof value === "string") return [...value].length;
  if (Array.isArray(value)) return value.length;
  if (isObject(value)) return Object.keys(value).length;
  throw new Failure();
}

function fieldOf(value: Value, name: string): Value {
  if (!isObject(value) || !Object.hasOwn(value, name)) throw new Failure();
  return value[name];
}

function entryOf(value: Value, index: number): Value {
  if (!Array.isArray(value) || index >= value.length) throw new Failure();
  return value[index];
}

/** One side may fail where the other decides (cel-spec, "Logical Operators"). */
function either(left: Expression, right: Expression, deciding: boolean): Expression {
  return (scope) => {
    let failure: Failure | undefined;
    for (const side of [left, right]) {
      try {
        if (asBoolean(side(scope)) === deciding) return deciding;
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        failure = error;
      }
    }
    if (failure !== undefined) throw failure;
    return !deciding;
  };
}

const compare: Readonly<Record<string, (a: Value, b: Value) => boolean>> = {
  "==": same,
  "!=": (a, b) => !same(a, b),
  "<": (a, b) => order(a, b) < 0,
  "<=": (a, b) => order(a, b) <= 0,
  ">": (a, b) => order(a, b) > 0,
  ">=": (a, b) => order(a, b) >= 0,
};

function order(a: Value, b: Value): number {
  if (typeof a !== "number" || typeof b !== "number") throw new Failure();
  return a - b;
}

function parse(source: string): Expression {
  const tokens = tokensOf(source);
  let at = 0;
  const isNext = (text: string): boolean => tokens[at]?.kind === "operator" && tokens[at]?.text === text;
  const take = (text: string): boolean => {
    if (!isNext(text)) return false;
    at++;
    return true;
  };
  const expect = (text: string): void => {
    if (!take(text)) throw new NotUnderstood();
  };
  const nameAt = (): string => {
    const next = tokens[at++];
    if (next?.kind !== "name") throw new NotUnderstood();
    return next.text;
  };

  function or(): Expression {
    let left = and();
    while (take("||")) left = either(left, and(), true);
    return left;
  }
  function and(): Expression {
    let left = relation();
    while (take("&&")) left = either(left, relation(), false);
    return left;
  }
  function relation(): Expression {
    const left = unary();
    const operator = Object.keys(compare).find(isNext);
    const compares = operator === undefined ? undefined : compare[operator];
    if (operator === undefined || compares === undefined) return left;
    expect(operator);
    const right = unary();
    return (scope) => compares(left(scope), right(scope));
  }
  function unary(): Expression {
    if (!take("!")) return member();
    const inner = unary();
    return (scope) => !asBoolean(inner(scope));
  }
  function member(): Expression {
    let value = primary();
    for (;;) {
      const of = value;
      if (take(".")) {
        const name = nameAt();
        if (isNext("(")) throw new NotUnderstood();
        value = (scope) => fieldOf(of(scope), name);
      } else if (take("[")) {
        const index = tokens[at++];
        if (index?.kind !== "number") throw new NotUnderstood();
        expect("]");
        value = (scope) => entryOf(of(scope), Number(index.text));
      } else return value;
    }
  }
  function primary(): Expression {
    const next = tokens[at++];
    if (next?.kind === "operator" && next.text === "(") {
      const inner = or();
      expect(")");
      return inner;
    }
    if (next?.kind === "number") return () => Number(next.text);
    if (next?.kind === "text") return () => next.text;
    if (next?.kind !== "name") throw new NotUnderstood();
    switch (next.text) {
      case "true":
      case "false":
        return () => next.text === "true";
      case "self":
        return ({ self }) => self;
      case "oldSelf":
        return ({ oldSelf }) => oldSelf;
      case "size": {
        expect("(");
        const inner = or();
        expect(")");
        return (scope) => sizeOf(inner(scope));
      }
      case "has":
        return has();
      default:
        throw new NotUnderstood();
    }
  }
  /** Its argument is a field: whether it is there. */
  function has(): Expression {
    expect("(");
    let of = primary();
    const names: string[] = [];
    while (take(".")) names.push(nameAt());
    expect(")");
    const last = names.pop();
    if (last === undefined) throw new NotUnderstood();
    for (const name of names) {
      const inner = of;
      of = (scope) => fieldOf(inner(scope), name);
    }
    return (scope) => {
      const value = of(scope);
      return isObject(value) && value[last] !== undefined;
    };
  }

  const expression = or();
  if (at < tokens.length) throw new NotUnderstood();
  return expression;
}

/** @returns undefined for what is beyond the part of the language that is understood here */
export function compileRule(source: string): Rule | undefined {
  try {
    const expression = parse(source);
    return {
      isTransition: /\boldSelf\b/.test(source),
      isMet(self, oldSelf) {
        try {
          return asBoolean(expression({ self, oldSelf }));
        } catch (error) {
          if (error instanceof Failure) return undefined;
          throw error;
        }
      },
    };
  } catch (error) {
    if (error instanceof NotUnderstood) return undefined;
    throw error;
  }
}
