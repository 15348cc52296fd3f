import { z } from "zod";

export type AddressFamily = "IPv4" | "IPv6";
export type Protocol = "TCP" | "UDP" | "SCTP";

export const serviceNameLabel = "kubernetes.io/service-name";
export const managedByLabel = "endpointslice.kubernetes.io/managed-by";
/** What kube-controller-manager's controller calls itself: slices of others are theirs. */
export const managedBy = "endpointslice-controller.k8s.io";

const text = z.string();
const labels = z.record(text, text);
const protocol = z.enum(["TCP", "UDP", "SCTP"]).default("TCP");

const serviceShape = z.object({
  metadata: z.object({
    namespace: text,
    name: text,
    uid: text,
    labels: labels.default({}),
    annotations: labels.default({}),
    deletionTimestamp: text.optional(),
  }),
  spec: z.object({
    type: text.default("ClusterIP"),
    clusterIP: text.default(""),
    selector: labels.optional(),
    ipFamilies: z.array(z.enum(["IPv4", "IPv6"])).default([]),
    publishNotReadyAddresses: z.boolean().default(false),
    trafficDistribution: text.optional(),
    ports: z
      .array(
        z.object({
          name: text.default(""),
          protocol,
          port: z.int(),
          targetPort: z.union([z.int(), text]).optional(),
          appProtocol: text.optional(),
        }),
      )
      .default([]),
  }),
});

const podShape = z.object({
  metadata: z.object({
    namespace: text,
    name: text,
    uid: text,
    labels: labels.default({}),
    deletionTimestamp: text.optional(),
  }),
  spec: z.object({
    nodeName: text.optional(),
    hostname: text.optional(),
    subdomain: text.optional(),
    containers: z.array(
      z.object({
        ports: z.array(z.object({ name: text.default(""), containerPort: z.int(), protocol })).default([]),
      }),
    ),
  }),
  status: z
    .object({
      phase: text.default("Pending"),
      podIPs: z.array(z.object({ ip: text })).default([]),
      conditions: z.array(z.object({ type: text, status: text })).default([]),
    })
    .default({ phase: "Pending", podIPs: [], conditions: [] }),
});

const nodeShape = z.object({ metadata: z.object({ name: text, labels: labels.default({}) }) });

const conditions = z.object({
  ready: z.boolean().optional(),
  serving: z.boolean().optional(),
  terminating: z.boolean().optional(),
});
const endpoint = z.object({
  addresses: z.array(text),
  conditions: conditions.default({}),
  hostname: text.optional(),
  nodeName: text.optional(),
  zone: text.optional(),
  targetRef: z.object({ kind: text, namespace: text, name: text, uid: text }).optional(),
  hints: z
    .object({
      forZones: z.array(z.object({ name: text })).optional(),
      forNodes: z.array(z.object({ name: text })).optional(),
    })
    .optional(),
});
const slicePort = z.object({
  name: text.default(""),
  protocol,
  port: z.int().optional(),
  appProtocol: text.optional(),
});
const sliceShape = z.object({
  metadata: z.object({ namespace: text, name: text, uid: text, resourceVersion: text, labels: labels.default({}) }),
  addressType: text,
  endpoints: z.array(endpoint).nullish(),
  ports: z.array(slicePort).nullish(),
});

/** An endpoint as it stands in a slice (EndpointSlice discovery.k8s.io/v1). */
export type Endpoint = z.infer<typeof endpoint>;
export type SlicePort = z.infer<typeof slicePort>;

export interface ServiceRecord {
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly headless: boolean;
  /** Undefined when the service's endpoints are none of ours to find. */
  readonly selector: Readonly<Record<string, string>> | undefined;
  readonly families: readonly AddressFamily[];
  readonly publishNotReady: boolean;
  readonly prefer: "anywhere" | "same zone" | "same node" | "balanced zones";
  readonly ports: readonly z.infer<typeof serviceShape>["spec"]["ports"][number][];
}

export interface PodRecord {
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly nodeName: string | undefined;
  readonly hostname: string | undefined;
  readonly subdomain: string | undefined;
  readonly addresses: readonly string[];
  readonly ready: boolean;
  readonly terminating: boolean;
  /** Succeeded or Failed: it comes back no more. */
  readonly over: boolean;
  readonly ports: readonly { readonly name: string; readonly containerPort: number; readonly protocol: Protocol }[];
}

export interface SliceRecord {
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  /** Of the service, from the label. */
  readonly service: string;
  readonly managedBy: string;
  readonly family: string;
  readonly endpoints: readonly Endpoint[];
  readonly ports: readonly SlicePort[];
}

function preference(annotation: string | undefined, distribution: string | undefined): ServiceRecord["prefer"] {
  if (distribution === "PreferClose" || distribution === "PreferSameZone") return "same zone";
  if (distribution === "PreferSameNode") return "same node";
  return annotation?.toLowerCase() === "auto" ? "balanced zones" : "anywhere";
}

/** @throws ZodError when `raw` is no Service */
export function readService(raw: unknown): ServiceRecord {
  const { metadata, spec } = serviceShape.parse(raw);
  const { namespace, name, uid } = metadata;
  const ours = spec.type !== "ExternalName" && metadata.deletionTimestamp === undefined;
  return {
    key: `${namespace}/${name}`,
    ...{ namespace, name, uid, labels: metadata.labels },
    headless: spec.clusterIP === "None",
    selector: ours ? spec.selector : undefined,
    families: spec.ipFamilies,
    publishNotReady: spec.publishNotReadyAddresses,
    prefer: preference(metadata.annotations["service.kubernetes.io/topology-mode"], spec.trafficDistribution),
    ports: spec.ports,
  };
}

/** @throws ZodError when `raw` is no Pod */
export function readPod(raw: unknown): PodRecord {
  const { metadata, spec, status } = podShape.parse(raw);
  const { namespace, name, uid } = metadata;
  return {
    key: `${namespace}/${name}`,
    ...{ namespace, name, uid, labels: metadata.labels },
    nodeName: spec.nodeName === "" ? undefined : spec.nodeName,
    hostname: spec.hostname,
    subdomain: spec.subdomain,
    addresses: status.podIPs.map(({ ip }) => ip),
    ready: status.conditions.some(({ type, status: holds }) => type === "Ready" && holds === "True"),
    terminating: metadata.deletionTimestamp !== undefined,
    over: status.phase === "Succeeded" || status.phase === "Failed",
    ports: spec.containers.flatMap(({ ports }) => ports),
  };
}

/** @throws ZodError when `raw` is no Node */
export function readNode(raw: unknown): { readonly zone: string | undefined } {
  return { zone: nodeShape.parse(raw).metadata.labels["topology.kubernetes.io/zone"] };
}

/** @throws ZodError when `raw` is no EndpointSlice */
export function readSlice(raw: unknown): SliceRecord {
  const { metadata, addressType, endpoints, ports } = sliceShape.parse(raw);
  const { namespace, name, uid, resourceVersion } = metadata;
  return {
    key: `${namespace}/${name}`,
    ...{ namespace, name, uid, resourceVersion },
    service: metadata.labels[serviceNameLabel] ?? "",
    managedBy: metadata.labels[managedByLabel] ?? "",
    family: addressType,
    endpoints: endpoints ?? [],
    ports: ports ?? [],
  };
}
