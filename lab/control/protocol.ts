import { z } from "zod";

/** One probe for the prober of a host; `from` is `host` for the host's own namespace, else `namespace/pod`. */
export const controlProbe = z.object({
  from: z.string(),
  to: z.string(),
  port: z.int().min(1).max(65_535).optional(),
  protocol: z.enum(["tcp", "udp", "sctp", "icmp"]),
  timeoutMs: z.int().min(1).max(60_000),
});
export type ControlProbe = z.infer<typeof controlProbe>;

/** Result of one probe: see ProbeResult of `lab/probe`. */
export interface ControlResult {
  readonly verdict: "connected" | "refused" | "dropped" | "error";
  readonly peer?: string;
  readonly sourceSeen?: string;
  readonly rttMs?: number;
  readonly error?: string;
}
