import { type JsonObject, type KubeObject, objectOr, stringOr } from "../object.ts";
import type { Column, Kind } from "../resource.ts";
import { ageSince } from "../serve/duration.ts";
import { type Cause, causes } from "../status.ts";

/** Field names of events.k8s.io/v1 and the core/v1 ones in which the same is stored. */
const renamed: Readonly<Record<string, string>> = {
  regarding: "involvedObject",
  note: "message",
  deprecatedSource: "source",
  deprecatedFirstTimestamp: "firstTimestamp",
  deprecatedLastTimestamp: "lastTimestamp",
  deprecatedCount: "count",
  reportingController: "reportingComponent",
};
const renamedBack = Object.fromEntries(Object.entries(renamed).map(([newer, core]) => [core, newer]));

function rename(object: KubeObject, names: Readonly<Record<string, string>>, apiVersion: string): KubeObject {
  const entries = Object.entries(object).map(([key, value]) => [names[key] ?? key, value]);
  return { ...Object.fromEntries(entries), kind: "Event", apiVersion, metadata: object.metadata };
}

function involved(event: KubeObject): JsonObject {
  return objectOr(event.involvedObject);
}

function lastTime(event: KubeObject): unknown {
  return event.lastTimestamp ?? objectOr(event.series).lastObservedTime ?? event.eventTime ?? event.firstTimestamp;
}

/** The columns look at either form of an event. */
function asCore(event: KubeObject): KubeObject {
  return event.apiVersion === "v1" ? event : rename(event, renamed, "v1");
}

const columns: readonly Column[] = [
  {
    name: "Last Seen",
    type: "string",
    cell: (event, now) => ageSince(lastTime(asCore(event)) ?? event.metadata.creationTimestamp, now),
  },
  { name: "Type", type: "string", cell: (event) => stringOr(event.type) },
  { name: "Reason", type: "string", cell: (event) => stringOr(event.reason) },
  {
    name: "Object",
    type: "string",
    cell: (event) => {
      const { kind, name } = involved(asCore(event));
      return `${stringOr(kind).toLowerCase()}/${stringOr(name)}`;
    },
  },
  { name: "Message", type: "string", cell: (event) => stringOr(asCore(event).message).trim() },
];

const involvedFields = ["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"];

/** An event lies in the namespace of what it is about; events about cluster-scoped objects lie in "default". */
function validate(event: KubeObject): Cause[] {
  const { namespace } = involved(event);
  const expected = namespace === undefined || namespace === "" ? "default" : namespace;
  if (event.metadata.namespace === expected) return [];
  if (namespace === undefined || namespace === "") {
    return event.metadata.namespace === "kube-system"
      ? []
      : [causes.invalid("involvedObject.namespace", namespace ?? "", "does not match event.namespace")];
  }
  return [causes.invalid("involvedObject.namespace", namespace, "does not match event.namespace")];
}

const shared = {
  kind: "Event",
  plural: "events",
  singular: "event",
  shortNames: ["ev"],
  namespaced: true,
  versions: ["v1"],
  storageVersion: "v1",
  bucketName: "events",
  nameRule: "path",
  fieldNames: [
    ...involvedFields.map((name) => `involvedObject.${name}`),
    ...["kind", "namespace", "name", "uid"].map((name) => `regarding.${name}`),
    "reason",
    "reportingComponent",
    "source",
    "type",
  ],
  fields: (event: KubeObject) => {
    const about = involved(event);
    return {
      ...Object.fromEntries(involvedFields.map((name) => [`involvedObject.${name}`, stringOr(about[name])])),
      ...Object.fromEntries(
        ["kind", "namespace", "name", "uid"].map((name) => [`regarding.${name}`, stringOr(about[name])]),
      ),
      reason: stringOr(event.reason),
      type: stringOr(event.type),
      reportingComponent: stringOr(event.reportingComponent),
      source: stringOr(objectOr(event.source).component ?? event.reportingComponent),
    };
  },
  validate,
  columns,
} as const satisfies Partial<Kind>;

export const eventKind: Kind = { ...shared, group: "" };

/** The same objects under their newer name. */
export const newEventKind: Kind = {
  ...shared,
  group: "events.k8s.io",
  convert: {
    toStored: (event) => rename(event, renamed, "v1"),
    fromStored: (event) => rename(event, renamedBack, "events.k8s.io/v1"),
  },
};
