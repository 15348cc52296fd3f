const lineWidth = 120;

const isList = (value: unknown): value is readonly unknown[] => Array.isArray(value);
const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;

function inline(value: unknown): string {
  if (!isObject(value)) return JSON.stringify(value);
  if (isList(value)) return `[${value.map(inline).join(", ")}]`;
  const entries = Object.entries(value).flatMap(([key, field]) =>
    field === undefined ? [] : [`${key}: ${inline(field)}`],
  );
  return entries.length === 0 ? "{}" : `{ ${entries.join(", ")} }`;
}

/** The formatter always breaks a list of several lists that each have several elements. */
const isMatrix = (value: unknown): boolean =>
  isList(value) && value.length > 1 && value.every((row) => isList(row) && row.length > 1);

/**
 * Prints plain data as TypeScript the way the formatter of this repo leaves it: on one line where it fits.
 * @param indent the indentation of the line on which the literal starts, in spaces
 * @param used how many columns of that line are taken, trailing comma included
 */
export function printLiteral(value: unknown, indent: number, used: number): string {
  const flat = inline(value);
  if (!isObject(value) || (used + flat.length <= lineWidth && !isMatrix(value))) return flat;
  const inner = " ".repeat(indent + 2);
  if (isList(value)) {
    const rows = value.map((element) => `${inner}${printLiteral(element, indent + 2, indent + 3)},\n`);
    return `[\n${rows.join("")}${" ".repeat(indent)}]`;
  }
  const rows = Object.entries(value).flatMap(([key, field]) =>
    field === undefined ? [] : [`${inner}${key}: ${printLiteral(field, indent + 2, indent + 2 + key.length + 3)},\n`],
  );
  return `{\n${rows.join("")}${" ".repeat(indent)}}`;
}
