export interface TokenBucket {
  /** Takes a token, now or from the future: gives how long to wait for it, in ms. */
  take(): number;
}

/**
 * Bounds a rate: `burst` at once, `perSecond` in the long run.
 * @param now monotonic clock in ms
 */
export function createTokenBucket(
  perSecond: number,
  burst: number,
  now: () => number = () => performance.now(),
): TokenBucket {
  let tokens = burst;
  let at = now();
  return {
    take() {
      const time = now();
      tokens = Math.min(burst, tokens + ((time - at) * perSecond) / 1000) - 1;
      at = time;
      return tokens >= 0 ? 0 : (-tokens * 1000) / perSecond;
    },
  };
}
