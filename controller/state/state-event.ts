import type { DomainRecord } from "./domain-name.ts";
import type { EndpointSliceRecord } from "./endpoint-slice.ts";
import type { NamespaceRecord } from "./namespace.ts";
import type { NodeRecord } from "./node.ts";
import type { PodRecord } from "./pod.ts";
import type { PolicyRecord } from "./policy.ts";
import type { ServiceRecord } from "./service.ts";

interface Change<Kind extends string, Record> {
  readonly kind: Kind;
  readonly change: "upsert" | "delete";
  /** `name` or `namespace/name`; of policies, whose kinds share one form, `policyId`. */
  readonly key: string;
  /** Present on upsert. */
  readonly object?: Record;
}

/** One object's new state. Repeated, reordered (between keys) and merged events lead to the same end. */
export type StateEvent =
  | Change<"node", NodeRecord>
  | Change<"namespace", NamespaceRecord>
  | Change<"pod", PodRecord>
  | Change<"service", ServiceRecord>
  | Change<"endpointSlice", EndpointSliceRecord>
  | Change<"domain", DomainRecord>
  | Change<"policy", PolicyRecord>;
