/**
 * How long an address that an answer gave counts. Not less than a minute: who was told the address connects a while after
 * (once the rule stands, or a connection failed), and the shortest TTLs would be written all the time. A quarter more than
 * the TTL, so that what is asked for again and again is written once in that quarter. Not more than a day.
 */
export const leastHoldMs = 60_000;
export const mostHoldMs = 86_400_000;

/** For how long the address may be needed by who was told this TTL. */
export function neededMs(ttlSeconds: number): number {
  return Math.min(ttlSeconds * 1_000, mostHoldMs);
}

/** For how long it is held, once it has to be written. */
export function holdMs(ttlSeconds: number): number {
  return Math.min(Math.max(neededMs(ttlSeconds) * 1.25, leastHoldMs), mostHoldMs);
}
