import type { Problem } from "./object-problem.ts";

/** What a pod asks for by annotations of its own, in Ovenbird's words, whichever system's it used; most pods ask for nothing. */
export interface PodNetworkRequest {
  readonly subnet: string | undefined;
  /** Candidates in canonical form, in the order given: the pod gets the first of each family that is free, one of a StatefulSet that at its ordinal. */
  readonly addresses: readonly string[];
  readonly mac: string | undefined;
  readonly pools: readonly string[];
  /** Keeps the addresses for whoever of the namespace bears the same key. */
  readonly sticky: string | undefined;
  readonly stickySeconds: number | undefined;
  readonly qos: PodQos | undefined;
  /** Annotations that can't be read; the pod gets no port while there are any. */
  readonly problems: readonly Problem[];
}

/** As QoS rows have it: rates in kbit/s; ingress is towards the pod. */
export interface PodQos {
  readonly ingressKbps: number | undefined;
  readonly egressKbps: number | undefined;
  /** 0–63, on what the pod sends. */
  readonly dscp: number | undefined;
}
