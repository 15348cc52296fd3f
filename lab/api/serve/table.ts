import type { KubeObject } from "../object.ts";
import type { Column, Resource } from "../resource.ts";
import { ageSince } from "./duration.ts";

const nameColumn: Column = {
  name: "Name",
  type: "string",
  format: "name",
  description: "Name must be unique within a namespace.",
  cell: ({ metadata }) => metadata.name ?? "",
};
export const ageColumn: Column = {
  name: "Age",
  type: "string",
  description: "Time since the object was created.",
  cell: ({ metadata }, now) => ageSince(metadata.creationTimestamp, now),
};
const defaultColumns: readonly Column[] = [
  {
    name: "Created At",
    type: "date",
    description: "When the object was created.",
    cell: ({ metadata }) => metadata.creationTimestamp ?? "",
  },
];

export type IncludeObject = "None" | "Metadata" | "Object";

function columnsOf(resource: Resource): readonly Column[] {
  return [nameColumn, ...(resource.columns ?? defaultColumns)];
}

function rowOf(resource: Resource, object: KubeObject, include: IncludeObject, version: string, now: number) {
  return {
    cells: columnsOf(resource).map(({ cell }) => cell(object, now)),
    ...(include === "None" ? {} : { object: include === "Object" ? object : partialMetadata(object, version) }),
  };
}

/** PartialObjectMetadata of an object. */
export function partialMetadata(object: KubeObject, version: string) {
  return { kind: "PartialObjectMetadata", apiVersion: `meta.k8s.io/${version}`, metadata: object.metadata };
}

/** metav1.Table of some objects; later events of a watch leave the column definitions out. */
export function tableOf(
  resource: Resource,
  objects: readonly KubeObject[],
  options: {
    readonly version: string;
    readonly include: IncludeObject;
    readonly metadata: object;
    readonly withColumns: boolean;
  },
) {
  const now = Date.now();
  return {
    kind: "Table",
    apiVersion: `meta.k8s.io/${options.version}`,
    metadata: options.metadata,
    columnDefinitions: options.withColumns
      ? columnsOf(resource).map(({ name, type, format = "", description = "", priority = 0 }) => ({
          name,
          type,
          format,
          description,
          priority,
        }))
      : null,
    rows: objects.map((object) => rowOf(resource, object, options.include, options.version, now)),
  };
}
