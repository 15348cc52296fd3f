import type { JsonObject, KubeObject } from "./object.ts";
import type { Cause } from "./status.ts";
import type { Bucket } from "./storage/bucket.ts";
import type { FieldsOf } from "./storage/entry.ts";
import type { Store } from "./storage/store.ts";

/** A column of a Table answer (metav1.TableColumnDefinition) with how to fill it. */
export interface Column {
  readonly name: string;
  readonly type: "string" | "integer" | "number" | "boolean" | "date";
  readonly format?: string | undefined;
  readonly description?: string | undefined;
  /** 0 is shown always, 1 with `-o wide`. */
  readonly priority?: number | undefined;
  readonly cell: (object: KubeObject, now: number) => string | number | boolean | null;
}

/** What a hook may look at while it prepares or checks an object. */
export interface KindContext {
  readonly store: Store;
  readonly addresses: ServiceAddresses;
}

/** Allocation of cluster addresses and node ports; what is taken is derived from the stored services. */
export interface ServiceAddresses {
  readonly families: readonly ("IPv4" | "IPv6")[];
  /** The first address of the preferred family: the API server's own service. */
  readonly firstAddress: string | undefined;
  prepare(service: KubeObject, old: KubeObject | undefined): readonly Cause[];
}

/** How a kind differs from plain storage. Hooks get parsed copies and may change the first argument. */
export interface Kind {
  readonly group: string;
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  /** `KindList` when not set. */
  readonly listKind?: string;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly namespaced: boolean;
  readonly versions: readonly string[];
  /** The main version's objects are what is stored. */
  readonly storageVersion: string;
  /** Where the objects lie when that is not `plural.group` (kinds served in two groups). */
  readonly bucketName?: string;
  readonly hasStatus?: boolean;
  /** The status that a client sends on creation is kept. */
  readonly keepsStatusOnCreate?: boolean;
  /** metadata.generation counts changes outside of metadata and status. */
  readonly hasGeneration?: boolean;
  /** Labels and annotations may be changed through /status. */
  readonly statusCarriesMetadata?: boolean;
  readonly nameRule: "subdomain" | "label" | "label1035" | "path";
  /** Selectable fields besides metadata.name and metadata.namespace. */
  readonly fields?: FieldsOf;
  readonly fieldNames?: readonly string[];
  /** Top-level and nested defaults, on create and on update. */
  readonly setDefaults?: (object: KubeObject, context: KindContext) => void;
  readonly prepareCreate?: (object: KubeObject, context: KindContext) => readonly Cause[];
  readonly prepareUpdate?: (object: KubeObject, old: KubeObject, context: KindContext) => readonly Cause[];
  readonly validate?: (object: KubeObject, context: KindContext) => readonly Cause[];
  readonly validateUpdate?: (object: KubeObject, old: KubeObject) => readonly Cause[];
  /** Checks what was sent before anything else looks at it: unknown fields and wrong types. */
  readonly decode?: (object: KubeObject, options: { readonly strict: boolean }) => DecodeResult;
  readonly columns?: readonly Column[];
  /** In OpenAPI v3, for `kubectl explain`. */
  readonly schema?: JsonObject;
  /** Deletion answers with the object instead of a Status. */
  readonly returnsDeleted?: boolean;
  /** Seconds a deletion has to wait for, when the client doesn't say (pods). */
  readonly gracePeriodSeconds?: (object: KubeObject, asked: number | undefined) => number | undefined;
  readonly subresources?: readonly string[];
  /** Strategic merge patch isn't known for custom resources. */
  readonly custom?: boolean;
  /** Conversion to and from the stored form for a kind served in a second group. */
  readonly convert?: {
    readonly toStored: (object: KubeObject) => KubeObject;
    readonly fromStored: (object: KubeObject) => KubeObject;
  };
}

export interface DecodeResult {
  /** The body can't be such an object at all: 400 with this message. */
  readonly error?: string | undefined;
  /** Unknown fields, removed unless strict. */
  readonly unknown: readonly string[];
}

/** One kind in one version as it is served. */
export interface Resource extends Kind {
  readonly version: string;
  readonly apiVersion: string;
  readonly bucket: Bucket;
  /** `{"kind":"K","apiVersion":"g/v",` */
  readonly prefix: string;
}

export function apiVersionOf(group: string, version: string): string {
  return group === "" ? version : `${group}/${version}`;
}

export function bucketNameOf(kind: Kind): string {
  return kind.bucketName ?? (kind.group === "" ? kind.plural : `${kind.plural}.${kind.group}`);
}
