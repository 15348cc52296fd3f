import { z } from "zod";

const verdict = z.enum(["connected", "refused", "dropped", "error"]);

/** One probe as `lab probe --file` takes it. */
export const probeSpec = z.strictObject({
  /** `namespace/pod`, `node:NAME`, `outside` or a host on a VLAN of the trunk, such as `vlan100`. */
  from: z.string().min(1),
  /**
   * `namespace/pod` (`subnet:namespace/pod`: by the address in its subnet), `node:NAME`, `outside`, `vlan100`, an address, or of a Service `service:namespace/name[:PORT]`,
   * `nodeport:NODE:namespace/name[:PORT]`, `loadbalancer:namespace/name[:PORT]` (PORT: name or number, else the first).
   */
  to: z.string().min(1),
  port: z.int().min(1).max(65_535).optional(),
  protocol: z.enum(["tcp", "udp", "sctp", "icmp"]).default("tcp"),
  /** Which address of a dual-stack target; IPv4 where it has one by default. */
  family: z.enum(["ipv4", "ipv6"]).optional(),
  /** Silence this long counts as dropped. A lost first packet (ARP) is sent again by TCP after 1 s. */
  timeoutMs: z.int().min(1).max(60_000).default(1300),
  /** The verdict wanted, or any fields of the result that have to be so. */
  expect: z
    .union(
      [
        verdict,
        z.strictObject({ verdict: verdict.optional(), peer: z.string().optional(), sourceSeen: z.string().optional() }),
      ],
      { error: "must be connected, refused, dropped or error, or an object of verdict, peer and sourceSeen" },
    )
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

/**
 * Reads probes that a person wrote.
 * @throws Error with a line for each mistake, which says in which probe (the first is 0) and field it is
 */
export function readProbes(raw: unknown): Probe[] {
  const read = z.array(probeSpec, { error: "must be an array of probes" }).safeParse(raw);
  if (read.success) return read.data;
  const lines = read.error.issues.map((issue) => {
    const [index, ...field] = issue.path;
    if (index === undefined) return issue.message;
    const what = issue.code === "unrecognized_keys" ? `unknown key ${issue.keys.join(", ")}` : issue.message;
    return `probe ${String(index)}${field.length === 0 ? "" : `, ${field.join(".")}`}: ${what}`;
  });
  throw new Error(lines.join("\n"));
}

/**
 * Whether an outcome is what the probe expected. A probe that names no verdict is satisfied by any answer and by silence,
 * but not by having been unable to ask.
 */
export function isAsExpected({ expect }: Pick<Probe, "expect">, outcome: ProbeOutcome): boolean {
  const wanted: Exclude<typeof expect, string | undefined> =
    typeof expect === "string" ? { verdict: expect } : (expect ?? {});
  return (
    (wanted.verdict === undefined ? outcome.verdict !== "error" : wanted.verdict === outcome.verdict) &&
    (wanted.peer === undefined || wanted.peer === outcome.peer) &&
    (wanted.sourceSeen === undefined || wanted.sourceSeen === outcome.sourceSeen)
  );
}
