import { formatMicroTime } from "./micro-time.ts";
import type { KubeObject } from "./object.ts";

/** coordination.k8s.io/v1 LeaseSpec. */
export interface LeaseSpec {
  readonly holderIdentity?: string;
  readonly leaseDurationSeconds?: number;
  readonly acquireTime?: string;
  readonly renewTime?: string;
  readonly leaseTransitions?: number;
}

export interface Lease extends KubeObject {
  readonly spec?: LeaseSpec;
}

export interface Claim {
  readonly namespace: string;
  readonly name: string;
  readonly identity: string;
  readonly leaseDurationSeconds: number;
  /** Wall clock, for the times that people read. */
  readonly nowMs: number;
}

/** The Lease as its holder writes it; its resourceVersion makes the server refuse it if somebody was faster. */
export function claim(
  held: Lease | undefined,
  { namespace, name, identity, leaseDurationSeconds, nowMs }: Claim,
): Lease {
  const now = formatMicroTime(nowMs);
  const mine = held?.spec?.holderIdentity === identity;
  const transitions = held?.spec?.leaseTransitions ?? 0;
  return {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: held?.metadata ?? { namespace, name },
    spec: {
      ...held?.spec,
      holderIdentity: identity,
      leaseDurationSeconds,
      acquireTime: mine ? (held?.spec?.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: held === undefined || mine ? transitions : transitions + 1,
    },
  };
}

/** The Lease as its holder leaves it: nobody's, and due at once. */
export function released(held: Lease, nowMs: number): Lease {
  const now = formatMicroTime(nowMs);
  return {
    ...held,
    spec: { ...held.spec, holderIdentity: "", leaseDurationSeconds: 1, acquireTime: now, renewTime: now },
  };
}
