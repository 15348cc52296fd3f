import { OvsdbError } from "./errors.ts";

/** JSON.parse with the source text of each number (ECMAScript 2025), which TypeScript's library doesn't know yet. */
const parseWithSource = JSON.parse as (
  text: string,
  reviver: (this: unknown, key: string, value: unknown, context: { readonly source?: string }) => unknown,
) => unknown;

/** JSON.rawJSON (ECMAScript 2025). */
const rawJson = (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON;

const integerText = /^-?\d+$/;

/** Digits that a number may have before it can leave the range where a double is exact. */
export const exactDigits = 15;

/** Parses JSON so that integers beyond ±(2^53 − 1) come out exact, as bigint. Costs a callback per value. */
export function parseExact(text: string): unknown {
  return parseWithSource(text, (_key, value, { source }) =>
    typeof value === "number" && !Number.isSafeInteger(value) && source !== undefined && integerText.test(source)
      ? BigInt(source)
      : value,
  );
}

/** JSON.stringify that also takes bigint. @throws OvsdbError INVALID_ARGUMENT for what has no JSON form, such as a cycle */
export function stringifyExact(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
  try {
    // Only now, for a callback per value costs much and a bigint is rare.
    return JSON.stringify(value, (_key, item: unknown) => (typeof item === "bigint" ? rawJson(`${item}`) : item));
  } catch (cause) {
    throw new OvsdbError("INVALID_ARGUMENT", "What is to be sent has no JSON form", { cause });
  }
}

/** The protocol's own messages nest seven deep; the schema of a database stays below twelve. */
export const maxDepth = 64;
/** No number of 64 bits, nor any double worth sending, has so many digits. */
export const maxDigits = 400;

/** Parses whole bytes, so that a UTF-8 sequence is never cut. */
export function parseBytes(bytes: Buffer, exact: boolean): unknown {
  const text = bytes.toString("utf8");
  try {
    return exact ? parseExact(text) : JSON.parse(text);
  } catch (cause) {
    throw new OvsdbError("MALFORMED_MESSAGE", "The server sent something that is not JSON", {
      cause,
      details: text.slice(0, 200),
    });
  }
}
