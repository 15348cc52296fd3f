/** What a probe asks: may this namespace reach that address and port? */
export type ProbeProtocol = "tcp" | "udp" | "sctp" | "icmp";

export interface ProbeRequest {
  /** The network namespace to send from, a path such as `/run/netns/NAME`. */
  readonly namespace: string;
  /** An IPv4 or IPv6 address. */
  readonly to: string;
  /** Needed for all protocols but ICMP. */
  readonly port?: number;
  readonly protocol: ProbeProtocol;
  /** How long silence is waited for before it counts as dropped. */
  readonly timeoutMs: number;
}

export interface ProbeResult {
  /**
   * `connected`: an answer came (for TCP: the handshake was completed); `refused`: a reset, an SCTP abort or an ICMP
   * error came; `dropped`: nothing came in time; `error`: the probe could not be sent at all.
   */
  readonly verdict: "connected" | "refused" | "dropped" | "error";
  /** The identity that the probe server at the other end gave. */
  readonly peer?: string;
  /** The source address that the other end saw. */
  readonly sourceSeen?: string;
  /** From the first packet sent to the first answer. */
  readonly rttMs?: number;
  /** The cause, with verdict `error`. */
  readonly error?: string;
}

/** A first packet can be lost while a neighbour is being resolved, so a question without a handshake is asked again then. */
export const repeatsMs = [150, 450, 900] as const;

/**
 * Concludes that nothing came in time. Time in which this process stood still is no silence: its timers are due then
 * before it has read what came meanwhile, so it waits that long again, once, and reads before it concludes.
 * @returns ends the wait
 */
export function afterSilence(timeoutMs: number, conclude: () => void): () => void {
  const started = performance.now();
  let immediate: NodeJS.Immediate | undefined;
  const readThenConclude = () => {
    immediate = setImmediate(conclude);
  };
  let timer = setTimeout(() => {
    // A timer may come a fraction of a millisecond early.
    const lateMs = Math.max(0, performance.now() - started - timeoutMs);
    timer = setTimeout(readThenConclude, Math.min(lateMs, timeoutMs));
  }, timeoutMs);
  return () => {
    clearTimeout(timer);
    clearImmediate(immediate);
  };
}

/** What a probe server tells its client, as JSON. */
export interface ProbeAnswer {
  readonly peer: string;
  readonly sourceSeen: string;
}

/** Reads a server's answer; anything else than a probe server may answer too, and then says nothing of itself. */
export function readAnswer(text: string): Partial<ProbeAnswer> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null) return {};
    const { peer, sourceSeen } = value as Record<string, unknown>;
    return {
      ...(typeof peer === "string" ? { peer } : {}),
      ...(typeof sourceSeen === "string" ? { sourceSeen } : {}),
    };
  } catch {
    return {};
  }
}

const refusals = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EACCES",
  "EPERM",
  "EPROTO",
  "ENOPROTOOPT",
]);

/** The verdict on a socket error: an answer that says no is a refusal, all else a failure to ask. */
export function verdictOfError(error: unknown): ProbeResult {
  const code = error instanceof Error && "code" in error ? String(error.code) : undefined;
  if (code !== undefined && refusals.has(code)) return { verdict: "refused" };
  if (code === "ETIMEDOUT") return { verdict: "dropped" };
  return { verdict: "error", error: error instanceof Error ? error.message : String(error) };
}
