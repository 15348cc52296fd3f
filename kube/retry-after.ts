/**
 * What a `Retry-After` header asks for (RFC 9110 section 10.2.3), in ms; undefined for none or nonsense.
 * @param now wall clock in ms since the epoch, for the form that is a date
 */
export function parseRetryAfter(value: unknown, now: number): number | undefined {
  const text = typeof value === "string" ? value.trim() : "";
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const date = /[A-Za-z]{3}/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
