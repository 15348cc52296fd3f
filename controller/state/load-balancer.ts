import { addressPoolAnnotationKey, loadBalancerAddressesAnnotationKey } from "@ovenbird/kube";
import { formatAddress, parseAddress } from "../ipam/address.ts";
import { listAt, metadataOf, objectAt, textAt } from "./raw-object.ts";

/** What a Service says of the addresses that somebody is to give it, and what it was given. */
export interface LoadBalancerRecord {
  /** Of type LoadBalancer; else there is something left in its status. */
  readonly isBalanced: boolean;
  readonly loadBalancerClass: string | undefined;
  /** The value of `ovenbird.io/address-pool`. */
  readonly pool: string | undefined;
  /** The parts of `ovenbird.io/load-balancer-addresses`, else `spec.loadBalancerIP`; perhaps no addresses at all. */
  readonly asked: readonly string[];
  /** Whether it asks by one of our annotations, and so means the pools. */
  readonly isExplicit: boolean;
  /** The addresses of `status.loadBalancer.ingress` in canonical form, whatever their mode. */
  readonly ingress: readonly string[];
  /** The list in the status as it stands, as JSON. */
  readonly ingressText: string;
}

/** Projects what a Service has to do with load balancers; undefined when it has nothing to do with them. */
export function projectLoadBalancer(raw: unknown): LoadBalancerRecord | undefined {
  const { annotations } = metadataOf(raw);
  const { spec: rawSpec, status } = objectAt(raw);
  const spec = objectAt(rawSpec);
  const entries = listAt(objectAt(objectAt(status).loadBalancer).ingress);
  const isBalanced = spec.type === "LoadBalancer";
  if (!isBalanced && entries.length === 0) return undefined;
  const pool = textAt(annotations[addressPoolAnnotationKey]);
  const wanted = textAt(annotations[loadBalancerAddressesAnnotationKey]);
  const asked = (wanted ?? textAt(spec.loadBalancerIP) ?? "")
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
  const ingress = entries.flatMap((entry) => {
    const parsed = parseAddress(textAt(objectAt(entry).ip) ?? "");
    return parsed === undefined ? [] : [formatAddress(parsed)];
  });
  return Object.freeze({
    isBalanced,
    loadBalancerClass: textAt(spec.loadBalancerClass),
    pool,
    asked: Object.freeze(asked),
    isExplicit: pool !== undefined || wanted !== undefined,
    ingress: Object.freeze(ingress),
    ingressText: JSON.stringify(entries),
  });
}
