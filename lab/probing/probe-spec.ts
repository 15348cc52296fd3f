import { z } from "zod";

const verdict = z.enum(["connected", "refused", "dropped", "error"]);

/** One probe as `lab probe --file` takes it. */
export const probeSpec = z.object({
  /** `namespace/pod`, `node:NAME` or `outside`. */
  from: z.string().min(1),
  /** `namespace/pod`, `service:namespace/name`, `node:NAME`, `outside` or an address. */
  to: z.string().min(1),
  port: z.int().min(1).max(65_535).optional(),
  protocol: z.enum(["tcp", "udp", "sctp", "icmp"]).default("tcp"),
  /** Which address of a dual-stack target; IPv4 where it has one by default. */
  family: z.enum(["ipv4", "ipv6"]).optional(),
  /** Silence this long counts as dropped. A lost first packet (ARP) is sent again by TCP after 1 s. */
  timeoutMs: z.int().min(1).max(60_000).default(1300),
  /** The verdict wanted, or any fields of the result that have to be so. */
  expect: z
    .union([
      verdict,
      z.object({ verdict: verdict.optional(), peer: z.string().optional(), sourceSeen: z.string().optional() }),
    ])
    .optional(),
});
/** As a caller writes it: what has a default may be left out. */
export type ProbeSpec = z.input<typeof probeSpec>;
export type Probe = z.output<typeof probeSpec>;

export interface ProbeOutcome {
  readonly verdict: z.infer<typeof verdict>;
  /** The pod (or `node:NAME`, `outside`) that answered. */
  readonly peer?: string;
  /** The source address that it saw. */
  readonly sourceSeen?: string;
  readonly rttMs?: number;
  /** The cause, with verdict `error`. */
  readonly error?: string;
}

/** Whether an outcome is what the probe expected; a probe that expects nothing is always satisfied. */
export function isAsExpected({ expect }: Pick<Probe, "expect">, outcome: ProbeOutcome): boolean {
  if (expect === undefined) return true;
  const wanted = typeof expect === "string" ? { verdict: expect } : expect;
  return (
    (wanted.verdict === undefined || wanted.verdict === outcome.verdict) &&
    (wanted.peer === undefined || wanted.peer === outcome.peer) &&
    (wanted.sourceSeen === undefined || wanted.sourceSeen === outcome.sourceSeen)
  );
}
