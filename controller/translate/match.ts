/** The right side of `field == …` in a match: one value, or any of several. */
export function oneOf(values: readonly (string | number)[]): string {
  return values.length === 1 ? `${values[0]}` : `{${values.join(", ")}}`;
}
