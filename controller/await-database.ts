import { type Client, OvsdbError } from "ovsdb-client-ts";

/** How long the first wait is before somebody is told; each next one is twice as long, up to a minute. */
const firstWaitMs = 2_000;
const longestWaitMs = 60_000;

/**
 * Resolves once the client is connected; until then tells from time to time why it isn't.
 * @param onWait takes what the last attempt ended with
 * @throws OvsdbError ABORTED when the signal fires, CLOSED when the client was closed
 */
export async function awaitDatabase(
  client: Pick<Client<unknown>, "ready">,
  signal: AbortSignal,
  onWait: (reason: unknown) => void,
): Promise<void> {
  for (let waitMs = firstWaitMs; ; waitMs = Math.min(longestWaitMs, 2 * waitMs)) {
    try {
      await client.ready({ signal: AbortSignal.any([signal, AbortSignal.timeout(waitMs)]) });
      return;
    } catch (error) {
      if (signal.aborted || !(error instanceof OvsdbError && error.code === "ABORTED")) throw error;
      onWait(error.cause);
    }
  }
}
