/** Reading JSON that somebody else wrote: what isn't of the expected type counts as absent. */

export type RawObject = Readonly<Record<string, unknown>>;

const nothing: RawObject = Object.freeze({});

export function isObject(value: unknown): value is RawObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A field that is left out may as well be null. */
export function isAbsent(value: unknown): value is undefined | null {
  return value === undefined || value === null;
}

export function objectAt(value: unknown): RawObject {
  return isObject(value) ? value : nothing;
}

export function listAt(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function textAt(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** The part of `metadata` that every kind has; a missing name or uid comes as the empty string. */
export function metadataOf(raw: unknown): {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly labels: unknown;
  readonly annotations: RawObject;
  readonly deleting: boolean;
} {
  const metadata = objectAt(objectAt(raw).metadata);
  return {
    namespace: textAt(metadata.namespace) ?? "",
    name: textAt(metadata.name) ?? "",
    uid: textAt(metadata.uid) ?? "",
    labels: metadata.labels,
    annotations: objectAt(metadata.annotations),
    deleting: textAt(metadata.deletionTimestamp) !== undefined,
  };
}
