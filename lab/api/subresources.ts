import { parseDeleteOptions, remove } from "./delete.ts";
import { isObject, type JsonObject, type KubeObject, objectOr, objectsOf, stringOr, timestamp } from "./object.ts";
import type { Resource } from "./resource.ts";
import { badRequest, conflict, notFound } from "./status.ts";
import { parseEntry } from "./storage/entry.ts";
import { type Api, entryNamed, replaceEntry, type WriteOptions } from "./write.ts";

const success = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success" };

/** POST pods/NAME/binding: what a scheduler does. 409 when the pod is bound already. */
export function bind(
  api: Api,
  resource: Resource,
  namespace: string,
  name: string,
  body: JsonObject,
  dryRun: boolean,
): JsonObject {
  const entry = entryNamed(resource, namespace, name);
  const node = stringOr(objectOr(body.target).name);
  if (node === "") throw badRequest("target.name: Required value");
  const pod = parseEntry(entry);
  const bound = stringOr(pod.spec?.nodeName);
  if (bound !== "")
    throw conflict(
      { ...resource, plural: "pods/binding" },
      name,
      `pod ${name} is already assigned to node ${JSON.stringify(bound)}`,
    );
  if (entry.deleting)
    throw conflict(
      { ...resource, plural: "pods/binding" },
      name,
      `pod ${name} is being deleted, cannot be assigned to a host`,
    );
  pod.spec = { ...pod.spec, nodeName: node };
  const conditions = objectsOf(pod.status?.conditions).filter(({ type }) => type !== "PodScheduled");
  const scheduled = { type: "PodScheduled", status: "True", lastProbeTime: null, lastTransitionTime: timestamp() };
  pod.status = { ...pod.status, conditions: [...conditions, scheduled] };
  if (!dryRun) api.store.put(resource.bucket, pod);
  return { ...success, code: 201 };
}

/** POST pods/NAME/eviction: a deletion; there are no disruption budgets here. */
export function evict(api: Api, resource: Resource, namespace: string, name: string, body: JsonObject): JsonObject {
  const options = isObject(body.deleteOptions) ? body.deleteOptions : {};
  remove(api, resource, entryNamed(resource, namespace, name), parseDeleteOptions(options, new URLSearchParams()));
  return { ...success, code: 201 };
}

/** PUT namespaces/NAME/finalize: sets spec.finalizers; the namespace goes when none are left. */
export function finalize(api: Api, resource: Resource, name: string, body: JsonObject): KubeObject {
  const entry = entryNamed(resource, undefined, name);
  const finalizers = objectOr(body.spec).finalizers;
  const namespace = parseEntry(entry);
  namespace.spec = { ...namespace.spec, finalizers: Array.isArray(finalizers) ? finalizers : [] };
  const mustGo = entry.deleting && (!Array.isArray(finalizers) || finalizers.length === 0);
  if (mustGo && (namespace.metadata.finalizers?.length ?? 0) === 0) api.store.remove(resource.bucket, namespace);
  else api.store.put(resource.bucket, namespace);
  return namespace;
}

function scaleOf(object: KubeObject): KubeObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const labels = Object.entries(objectOr(objectOr(object.spec?.selector).matchLabels));
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: object.spec?.replicas ?? 0 },
    status: {
      replicas: object.status?.replicas ?? 0,
      selector: labels.map(([key, value]) => `${key}=${String(value)}`).join(","),
    },
  };
}

/** GET NAME/scale (autoscaling/v1). */
export function readScale(resource: Resource, namespace: string | undefined, name: string): KubeObject {
  return scaleOf(parseEntry(entryNamed(resource, namespace, name)));
}

/** PUT and merge PATCH of NAME/scale: sets spec.replicas. */
export function writeScale(
  api: Api,
  resource: Resource,
  namespace: string | undefined,
  name: string,
  body: JsonObject,
  options: WriteOptions,
): KubeObject {
  const entry = entryNamed(resource, namespace, name);
  const replicas = objectOr(body.spec).replicas;
  if (!Number.isInteger(replicas) || Number(replicas) < 0)
    throw badRequest("spec.replicas must be greater than or equal to 0");
  const object = parseEntry(entry);
  object.spec = { ...object.spec, replicas: Number(replicas) };
  const resourceVersion = objectOr(body.metadata).resourceVersion;
  if (typeof resourceVersion === "string") object.metadata.resourceVersion = resourceVersion;
  return scaleOf(parseEntry(replaceEntry(api, resource, entry, object, undefined, options).entry));
}

/** The text of a pod's log: what the lab's kubelet wrote, from the hook; empty without one. 404 for no such pod. */
export async function readLog(
  resource: Resource,
  namespace: string,
  name: string,
  query: URLSearchParams,
  podLog: PodLog | undefined,
): Promise<string> {
  const entry = resource.bucket.get(`${namespace}/${name}`);
  if (entry === undefined) throw notFound(resource, name);
  const text =
    (await podLog?.({ namespace, name, uid: entry.uid, container: query.get("container") ?? undefined })) ?? "";
  const tail = query.get("tailLines");
  if (tail === null) return text;
  if (!/^\d{1,9}$/.test(tail)) throw badRequest("tailLines is no number");
  const lines = text.split("\n");
  const ended = text.endsWith("\n") ? 1 : 0;
  return lines.slice(Math.max(0, lines.length - ended - Number(tail))).join("\n");
}

/** Where logs come from: undefined when there is none for this pod. */
export type PodLog = (pod: {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly container: string | undefined;
}) => Promise<string | undefined>;
