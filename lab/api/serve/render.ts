import type { KubeObject } from "../object.ts";
import type { Resource } from "../resource.ts";
import { type Entry, parseEntry, serialize } from "../storage/entry.ts";
import type { Form } from "./form.ts";
import { type IncludeObject, partialMetadata, tableOf } from "./table.ts";

/** The entry's JSON in the version in which it is served: the stored text itself wherever possible. */
export function servedText(resource: Resource, entry: Entry): string {
  if (resource.convert === undefined && entry.text.startsWith(resource.prefix)) return entry.text;
  return serialize(servedObject(resource, entry));
}

export function servedObject(resource: Resource, entry: Entry): KubeObject {
  const object = parseEntry(entry);
  if (resource.convert !== undefined) return resource.convert.fromStored(object);
  object.apiVersion = resource.apiVersion;
  return object;
}

/** One object in the asked form, as JSON. */
export function renderOne(
  resource: Resource,
  entry: Entry,
  form: Form,
  include: IncludeObject,
  withColumns = true,
): string {
  if (form.kind === "object") return servedText(resource, entry);
  const object = servedObject(resource, entry);
  if (form.kind === "partial") return JSON.stringify(partialMetadata(object, form.version));
  const metadata = { resourceVersion: object.metadata.resourceVersion };
  return JSON.stringify(tableOf(resource, [object], { version: form.version, include, metadata, withColumns }));
}

export interface ListMetadata {
  readonly resourceVersion: string;
  readonly continue?: string | undefined;
  readonly remainingItemCount?: number | undefined;
}

/** A list in the asked form, as JSON. Items of built-in kinds carry no kind and apiVersion, as upstream. */
export function renderList(
  resource: Resource,
  entries: readonly Entry[],
  metadata: ListMetadata,
  form: Form,
  include: IncludeObject,
): string {
  if (form.kind === "table") {
    const objects = entries.map((entry) => servedObject(resource, entry));
    return JSON.stringify(tableOf(resource, objects, { version: form.version, include, metadata, withColumns: true }));
  }
  if (form.kind === "partial") {
    const items = entries.map((entry) => partialMetadata(servedObject(resource, entry), form.version));
    const head = { kind: "PartialObjectMetadataList", apiVersion: `meta.k8s.io/${form.version}` };
    return JSON.stringify({ ...head, metadata, items });
  }
  const items = entries.map((entry) => {
    const text = servedText(resource, entry);
    return resource.custom === true ? text : `{${text.slice(resource.prefix.length)}`;
  });
  const head = `{"kind":"${resource.listKind ?? `${resource.kind}List`}","apiVersion":"${resource.apiVersion}","metadata":${JSON.stringify(metadata)}`;
  return `${head},"items":[${items.join(",")}]}`;
}
