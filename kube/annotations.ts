import { isIP } from "node:net";
import * as z from "zod";

/**
 * The annotations by which controller and agents speak to each other through the Kubernetes API.
 * Each value is one JSON document; both sides validate what they read, since anybody who may patch the object could
 * have written it.
 */

const ipAddress = z.string().refine((text) => isIP(text) !== 0, "not an IP address");
const cidr = z.string().refine((text) => {
  const [address = "", prefix = "", ...rest] = text.split("/");
  const family = isIP(address);
  return rest.length === 0 && family !== 0 && /^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128);
}, "not an address with a prefix length");
const macAddress = z.string().regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/, "not a lower-case MAC address");
const port = z.int().min(1).max(65_535);
const mtuBytes = z.int().min(576).max(65_535);

/** On a Pod, written by the controller once the pod's rows are committed to the northbound database. */
export const podNetworkAnnotationKey = "ovenbird.io/network";
export const podNetworkAnnotation = z.object({
  /** The pod this was written for: an annotation that a template copied to another pod is void. */
  uid: z.string().min(1),
  /** `Logical_Switch_Port.name`, and so the `iface-id` of the pod's OVS interface: namespace, `_` and name of the pod. */
  port: z.string().min(1),
  /** Addresses with the prefix length of their subnet, at most one per family, IPv4 first. */
  addresses: z.array(cidr).min(1).max(2),
  /** The router's address per family, in the order of `addresses`. */
  gateways: z.array(ipAddress).max(2),
  mac: macAddress,
  mtuBytes,
  /** The Subnet that the addresses are of; absent for the node's block of the cluster's network. */
  subnet: z.string().min(1).optional(),
  /**
   * Addresses that are one of a kind in the cluster, one per family: what `status.podIPs` has, where nodes and services find
   * the pod. Absent where `addresses` are that themselves.
   */
  infrastructure: z.array(ipAddress).max(2).optional(),
  /** Beside those to `gateways`, or, for a destination of length 0, instead. */
  routes: z
    .array(z.object({ destination: cidr, gateway: ipAddress, source: ipAddress.optional() }))
    .max(32)
    .optional(),
});
export type PodNetworkAnnotation = z.infer<typeof podNetworkAnnotation>;

/**
 * On a Pod, written by the controller where the pod can't have a port: ADD fails with it at once. It goes when the cause does.
 */
export const podRefusalAnnotationKey = "ovenbird.io/refused";
export const podRefusalAnnotation = z.object({
  /** The pod this was written for. */
  uid: z.string().min(1),
  /** One of the codes of docs/errors.md. */
  code: z.string().min(1),
  message: z.string().min(1),
});
export type PodRefusalAnnotation = z.infer<typeof podRefusalAnnotation>;

/** On a Namespace, by whoever runs it: which decisions of policies over its pods are logged, `deny`, `allow` or `all`. */
export const logPolicyAnnotationKey = "ovenbird.io/log-policy";

/** On a Node, written by its agent: what the controller needs to know of the chassis. */
export const nodeChassisAnnotationKey = "ovenbird.io/chassis";
export const nodeChassisAnnotation = z.object({
  /** `Open_vSwitch.external_ids:system-id`, which is `Chassis.name` in the southbound database. */
  systemId: z.string().min(1),
  /** Absent when the node has no gateway bridge: its pods then have no way out of the cluster. */
  gateway: z
    .object({
      /** The hardware address that host and gateway router share on the gateway bridge. */
      mac: macAddress,
      /** The node's addresses on the gateway bridge, with prefix lengths. */
      addresses: z.array(cidr).min(1),
      /** The default gateways of the node's uplink, at most one per family. */
      nextHops: z.array(ipAddress).max(2),
      /** The physical network's name in `ovn-bridge-mappings`, for the `localnet` port. */
      physicalNetwork: z.string().min(1),
    })
    .optional(),
});
export type NodeChassisAnnotation = z.infer<typeof nodeChassisAnnotation>;

/** On a Node, written by the controller once the node's rows are committed. */
export const nodeNetworkAnnotationKey = "ovenbird.io/node-network";
export const nodeNetworkAnnotation = z.object({
  /** The node's number: its blocks, its join address and its management address all follow from it. */
  index: z.int().min(0),
  /** The node's blocks of the cluster's networks, at most one per family, IPv4 first. */
  subnets: z.array(cidr).min(1).max(2),
  /** The management port: an internal interface on `br-int` through which node and pods meet. */
  managementPort: z.object({
    port: z.string().min(1),
    mac: macAddress,
    /** With prefix lengths, in the order of `subnets`. */
    addresses: z.array(cidr).min(1).max(2),
    /** The router's addresses on the node's switch, in the order of `subnets`. */
    gateways: z.array(ipAddress).min(1).max(2),
  }),
  /**
   * All networks that the node reaches through its management port: the cluster's pods, the join network, services, and
   * the addresses that stand for a client that is its own backend.
   */
  routes: z.array(cidr),
  /** Networks of pods whose own addresses the world sees: they come in and leave by the gateway bridge untranslated. */
  routed: z.array(cidr).optional(),
  /** Ports of the nodes that are services'; both ends belong to it. */
  nodePorts: z.object({ first: port, last: port }).optional(),
  mtuBytes,
});
export type NodeNetworkAnnotation = z.infer<typeof nodeNetworkAnnotation>;

export type AnnotationResult<T> =
  | { readonly kind: "absent" }
  | { readonly kind: "valid"; readonly value: T }
  | { readonly kind: "invalid"; readonly reason: string };

/**
 * Reads one of the annotations above.
 * @param text the annotation's value, undefined when the object does not bear it
 */
export function readAnnotation<T>(schema: z.ZodType<T>, text: string | undefined): AnnotationResult<T> {
  if (text === undefined) return { kind: "absent" };
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    return { kind: "invalid", reason: error instanceof Error ? error.message : String(error) };
  }
  const result = schema.safeParse(json);
  return result.success
    ? { kind: "valid", value: result.data }
    : { kind: "invalid", reason: z.prettifyError(result.error) };
}
