/** What users of address pools have to act on, with what it means; an Event on the Service or the pool. */
export const poolProblemCodes = {
  POOL_RANGE_INVALID: "A part of the pool's addresses is no network or range; the pool's other parts are used.",
  POOL_RANGE_RESERVED:
    "A part of the pool's addresses belongs to the cluster's own networks, or is not usable; it is left out.",
  POOL_OVERLAPS: "The pool shares addresses with an older pool, which keeps them.",
  POOL_UNREADABLE: "The pool's spec can't be read; the pool has no addresses.",
  POOL_EXHAUSTED: "No pool has a free address of the family for the Service; it gets one as soon as one is free.",
  POOL_UNKNOWN: "The pool that the Service names does not exist; it gets an address as soon as the pool does.",
  POOL_ADDRESS_INVALID: "What the Service asks for is not an address.",
  POOL_ADDRESS_UNAVAILABLE: "The address that the Service asks for is in no pool, another's, or reserved.",
  POOL_ADDRESS_CONFLICT: "The address in the Service's status belongs to another Service; it gets another.",
  POOL_ADDRESS_LEFT: "The Service keeps an address that no pool has any more; it is not announced.",
} as const satisfies Record<string, string>;
export type PoolProblemCode = keyof typeof poolProblemCodes;

export interface PoolProblem {
  readonly code: PoolProblemCode;
  /** One sentence for the user, with the values at fault. */
  readonly message: string;
}
