import { isObject, type JsonObject, type KubeObject, objectOr, objectsOf, stringOr } from "../object.ts";
import type { Column, Kind } from "../resource.ts";
import { ageColumn } from "../serve/table.ts";
import { type Cause, causes } from "../status.ts";
import { podSpecCauses, setPodSpecDefaults } from "./pod.ts";

/** The workload kinds are plain storage with a checked template: no controller runs them in the lab. */
function validate(object: KubeObject): Cause[] {
  const spec = object.spec ?? {};
  const selector = spec.selector;
  const template = objectOr(spec.template);
  const found: Cause[] = [];
  if (!isObject(selector)) found.push(causes.required("spec.selector"));
  const labels = objectOr(objectOr(template.metadata).labels);
  const wanted = objectOr(objectOr(selector).matchLabels);
  if (Object.entries(wanted).some(([key, value]) => labels[key] !== value)) {
    found.push(causes.invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`"));
  }
  found.push(...podSpecCauses(isObject(template.spec) ? template.spec : undefined, "spec.template.spec"));
  return found;
}

const defaultsOf: Readonly<Record<string, JsonObject>> = {
  Deployment: {
    replicas: 1,
    strategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: "25%", maxSurge: "25%" } },
    revisionHistoryLimit: 10,
    progressDeadlineSeconds: 600,
  },
  ReplicaSet: { replicas: 1 },
  DaemonSet: {
    updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } },
    revisionHistoryLimit: 10,
  },
  StatefulSet: {
    replicas: 1,
    podManagementPolicy: "OrderedReady",
    updateStrategy: { type: "RollingUpdate", rollingUpdate: { partition: 0 } },
    revisionHistoryLimit: 10,
    persistentVolumeClaimRetentionPolicy: { whenDeleted: "Retain", whenScaled: "Retain" },
  },
};

/** Typed clients send an empty object for a strategy that they didn't set. */
function isUnset(value: unknown): boolean {
  return value === undefined || (isObject(value) && Object.keys(value).length === 0);
}

function setDefaults(object: KubeObject): void {
  if (!isObject(object.spec)) return;
  const defaults = structuredClone(defaultsOf[object.kind] ?? {});
  for (const [key, value] of Object.entries(defaults)) if (isUnset(object.spec[key])) object.spec[key] = value;
  const { template } = object.spec;
  if (!isObject(template)) return;
  template.metadata = { creationTimestamp: null, ...objectOr(template.metadata) };
  if (isObject(template.spec)) setPodSpecDefaults(template.spec);
}

const count = (value: unknown) => (typeof value === "number" ? value : 0);
const status =
  (key: string) =>
  (object: KubeObject): number =>
    count(object.status?.[key]);

function selectorText(object: KubeObject): string {
  const labels = Object.entries(objectOr(objectOr(object.spec?.selector).matchLabels));
  return labels.map(([key, value]) => `${key}=${String(value)}`).join(",") || "<none>";
}

const containers = (object: KubeObject) => objectsOf(objectOr(objectOr(object.spec?.template).spec).containers);
const wide: readonly Column[] = [
  {
    name: "Containers",
    type: "string",
    priority: 1,
    cell: (object) =>
      containers(object)
        .map(({ name }) => stringOr(name))
        .join(","),
  },
  {
    name: "Images",
    type: "string",
    priority: 1,
    cell: (object) =>
      containers(object)
        .map(({ image }) => stringOr(image))
        .join(","),
  },
  { name: "Selector", type: "string", priority: 1, cell: selectorText },
];

function workload(kind: string, shortNames: readonly string[], columns: readonly Column[]): Kind {
  return {
    group: "apps",
    kind,
    plural: `${kind.toLowerCase()}s`,
    singular: kind.toLowerCase(),
    shortNames,
    categories: ["all"],
    namespaced: true,
    versions: ["v1"],
    storageVersion: "v1",
    nameRule: "subdomain",
    hasStatus: true,
    hasGeneration: true,
    statusCarriesMetadata: true,
    setDefaults,
    prepareCreate(object) {
      object.status =
        kind === "DaemonSet"
          ? { currentNumberScheduled: 0, numberMisscheduled: 0, desiredNumberScheduled: 0, numberReady: 0 }
          : kind === "Deployment"
            ? {}
            : { replicas: 0 };
      return [];
    },
    validate,
    columns: [...columns, ageColumn, ...wide],
    ...(kind === "DaemonSet" ? {} : { subresources: ["scale"] }),
  };
}

const ready: Column = {
  name: "Ready",
  type: "string",
  cell: (object) => `${count(object.status?.readyReplicas)}/${count(object.spec?.replicas)}`,
};

export const workloadKinds: readonly Kind[] = [
  workload(
    "Deployment",
    ["deploy"],
    [
      ready,
      { name: "Up-to-date", type: "integer", cell: status("updatedReplicas") },
      { name: "Available", type: "integer", cell: status("availableReplicas") },
    ],
  ),
  workload(
    "ReplicaSet",
    ["rs"],
    [
      { name: "Desired", type: "integer", cell: (object) => count(object.spec?.replicas) },
      { name: "Current", type: "integer", cell: status("replicas") },
      { name: "Ready", type: "integer", cell: status("readyReplicas") },
    ],
  ),
  workload(
    "DaemonSet",
    ["ds"],
    [
      { name: "Desired", type: "integer", cell: status("desiredNumberScheduled") },
      { name: "Current", type: "integer", cell: status("currentNumberScheduled") },
      { name: "Ready", type: "integer", cell: status("numberReady") },
      { name: "Up-to-date", type: "integer", cell: status("updatedNumberScheduled") },
      { name: "Available", type: "integer", cell: status("numberAvailable") },
    ],
  ),
  workload("StatefulSet", ["sts"], [ready]),
];
