import { requestAnnotationKeys } from "@ovenbird/kube";
import { parseAddress } from "../ipam/address.ts";

/** What a pod can ask for. */
export type RequestField = keyof typeof requestAnnotationKeys;

/** Of the pod that bears the annotation. */
export interface AliasContext {
  readonly podName: string;
  /** `StatefulSet/db` */
  readonly workload: string | undefined;
}

/** An annotation of another system by which pods ask for the same. */
export interface AnnotationAlias {
  readonly key: string;
  readonly field: RequestField;
  /**
   * Its value as ours has it; what can't be read comes as it is, and is refused like ours. Undefined where it says nothing
   * of the field.
   */
  readonly translate?: (value: string, pod: AliasContext) => string | undefined;
}

const separators = /[,;/]/;
const isAddressList = (value: string): boolean =>
  value.split(separators).some((part) => parseAddress(part.trim()) !== undefined);
const withCommas = (value: string): string => value.split(separators).join(",");

/** Calico's lists are JSON: `["10.0.0.1"]`. */
function jsonList(value: string): string {
  try {
    const parsed: unknown = JSON.parse(value);
    return Array.isArray(parsed) && parsed.every((each) => typeof each === "string") ? parsed.join(",") : value;
  } catch {
    return value;
  }
}

/** Kube-OVN's rates are in Mbit/s; 0 means none. */
const megabits = (value: string): string | undefined => (value.trim() === "0" ? undefined : `${value.trim()}M`);

/**
 * Annotations of Kube-OVN, Calico and HybridNet that pods are understood by. Ours goes before them, and of two the one that
 * stands first here.
 */
export const annotationAliases: readonly AnnotationAlias[] = [
  { key: "ovn.kubernetes.io/logical_switch", field: "subnet" },
  { key: "ovn.kubernetes.io/ip_address", field: "addresses", translate: withCommas },
  { key: "ovn.kubernetes.io/mac_address", field: "mac" },
  {
    key: "ovn.kubernetes.io/ip_pool",
    field: "addresses",
    translate: (value) => (isAddressList(value) ? withCommas(value) : undefined),
  },
  {
    key: "ovn.kubernetes.io/ip_pool",
    field: "pools",
    translate: (value) => (isAddressList(value) ? undefined : withCommas(value)),
  },
  { key: "ovn.kubernetes.io/ingress_rate", field: "ingressBandwidth", translate: megabits },
  { key: "ovn.kubernetes.io/egress_rate", field: "egressBandwidth", translate: megabits },
  { key: "cni.projectcalico.org/ipAddrs", field: "addresses", translate: jsonList },
  { key: "cni.projectcalico.org/ipv4pools", field: "pools", translate: jsonList },
  { key: "cni.projectcalico.org/ipv6pools", field: "pools", translate: jsonList },
  { key: "networking.alibaba.com/specified-subnet", field: "subnet" },
  { key: "networking.alibaba.com/ip-pool", field: "addresses", translate: withCommas },
  {
    key: "networking.alibaba.com/ip-retain",
    field: "sticky",
    // Names come back only where the workload gives them anew.
    translate: (value, { podName, workload }) =>
      value === "true" && workload?.startsWith("StatefulSet/") === true ? podName : undefined,
  },
];

/** Every annotation that asks for something, of ours and of others. */
export const requestAnnotations: ReadonlySet<string> = new Set([
  ...Object.values(requestAnnotationKeys),
  ...annotationAliases.map(({ key }) => key),
]);

/** What annotations say of a field, as ours would say it, and the annotation that says it. */
export interface Asked {
  readonly key: string;
  readonly value: string;
}

/** @param annotations those of `requestAnnotations` that are there */
export function askedFor(
  field: RequestField,
  annotations: ReadonlyMap<string, string>,
  pod: AliasContext,
): Asked | undefined {
  const own = annotations.get(requestAnnotationKeys[field]);
  if (own !== undefined) return { key: requestAnnotationKeys[field], value: own };
  const asked = annotationAliases.flatMap((alias): Asked[] => {
    const given = alias.field === field ? annotations.get(alias.key) : undefined;
    const value = given === undefined || alias.translate === undefined ? given : alias.translate(given, pod);
    return value === undefined ? [] : [{ key: alias.key, value }];
  });
  const [first] = asked;
  // Pools of each family have an annotation of their own with Calico.
  if (field !== "pools" || first === undefined || asked.length === 1) return first;
  return { key: asked.map(({ key }) => key).join(" and "), value: asked.map(({ value }) => value).join(",") };
}
