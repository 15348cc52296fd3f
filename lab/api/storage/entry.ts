import { isObject, type KubeObject } from "../object.ts";

/** What the store keeps of one object at one revision; never changed once made. */
export interface Entry {
  /** `namespace/name`, or `name` for cluster-scoped kinds: the order of lists. */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly revision: number;
  /** The whole object as JSON, beginning with kind and apiVersion. */
  readonly text: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Selectable fields other than metadata.name and metadata.namespace. */
  readonly fields: Readonly<Record<string, string>>;
  /** uids of owners, for garbage collection; undefined when there are none. */
  readonly owners: readonly string[] | undefined;
  readonly deleting: boolean;
}

export type FieldsOf = (object: KubeObject) => Record<string, string>;

const none: Readonly<Record<string, string>> = Object.freeze({});

/** Text of the object with `kind` and `apiVersion` first, so that its prefix is the same for all of a kind. */
export function serialize(object: KubeObject): string {
  const { kind, apiVersion, metadata, ...rest } = object;
  return JSON.stringify({ kind, apiVersion, metadata, ...rest });
}

/** Makes the entry of an object whose metadata is complete. */
export function entryOf(object: KubeObject, revision: number, text: string, fieldsOf: FieldsOf): Entry {
  const { name = "", namespace = "", uid = "", labels, ownerReferences, deletionTimestamp } = object.metadata;
  return {
    key: namespace === "" ? name : `${namespace}/${name}`,
    namespace,
    name,
    uid,
    revision,
    text,
    labels: labels ?? none,
    fields: fieldsOf(object),
    owners: Array.isArray(ownerReferences)
      ? ownerReferences.filter(isObject).map((owner) => owner.uid as string)
      : undefined,
    deleting: deletionTimestamp !== undefined,
  };
}

/** A copy of the object that its holder may change. */
export function parseEntry(entry: Entry): KubeObject {
  return JSON.parse(entry.text) as KubeObject;
}
