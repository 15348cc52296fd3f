import type { DomainRecord } from "./domain-name.ts";
import type { EgressIpRecord } from "./egress-ip.ts";
import type { EndpointSliceRecord } from "./endpoint-slice.ts";
import type { FloatingIpRecord } from "./floating-ip.ts";
import type { IpAddressRecord } from "./ip-address.ts";
import type { IpPoolRecord } from "./ip-pool.ts";
import type { NamespaceRecord } from "./namespace.ts";
import type { NodeRecord } from "./node.ts";
import type { PodRecord } from "./pod.ts";
import type { PolicyRecord } from "./policy.ts";
import type { ProviderNetworkRecord } from "./provider-network.ts";
import type { ServiceRecord } from "./service.ts";
import type { SubnetRecord } from "./subnet.ts";
import type { TenantRecord } from "./tenant.ts";

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
  | Change<"policy", PolicyRecord>
  | Change<"tenant", TenantRecord>
  | Change<"subnet", SubnetRecord>
  | Change<"ipPool", IpPoolRecord>
  | Change<"ipAddress", IpAddressRecord>
  | Change<"providerNetwork", ProviderNetworkRecord>
  | Change<"egressIp", EgressIpRecord>
  | Change<"floatingIp", FloatingIpRecord>;
