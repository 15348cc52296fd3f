import { apiVersionOf, bucketNameOf, type Kind, type Resource } from "./resource.ts";
import type { Store } from "./storage/store.ts";
import { decodeBuiltin } from "./types/decode.ts";
import { messageOf } from "./types/types.ts";

/** What is served: built-in kinds from the start, custom ones as their definitions come and go. */
export interface Registry {
  find(group: string, version: string, plural: string): Resource | undefined;
  /** All served resources, in the order of their registration. */
  all(): readonly Resource[];
  /** The resource of a stored object's bucket, in its storage version. */
  ofBucket(bucketName: string): Resource | undefined;
  groups(): readonly ApiGroup[];
  register(kind: Kind): readonly Resource[];
  unregister(group: string, plural: string): void;
}

export interface ApiGroup {
  readonly name: string;
  /** Preferred one first. */
  readonly versions: readonly string[];
}

/** Stable before beta before alpha, newer ones first (`version.CompareKubeAwareVersionStrings`). */
function byPriority(a: string, b: string): number {
  const rank = (version: string) => {
    const [, major = "0", stage, minor = "0"] = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version) ?? [];
    return [stage === undefined ? 2 : stage === "beta" ? 1 : 0, Number(major), Number(minor)];
  };
  const [left, right] = [rank(a), rank(b)];
  return left.map((value, index) => (right[index] ?? 0) - value).find((difference) => difference !== 0) ?? 0;
}

const none = () => ({});

export function createRegistry(store: Store): Registry {
  const resources = new Map<string, Resource>();
  const byBucket = new Map<string, Resource>();

  return {
    find: (group, version, plural) => resources.get(`${group}/${version}/${plural}`),
    all: () => [...resources.values()],
    ofBucket: (name) => byBucket.get(name),
    groups() {
      const groups = new Map<string, string[]>();
      for (const { group, version } of resources.values()) {
        const versions = groups.get(group) ?? [];
        if (!versions.includes(version)) versions.push(version);
        groups.set(group, versions);
      }
      return [...groups].map(([name, versions]) => ({ name, versions: versions.sort(byPriority) }));
    },
    register(kind) {
      const bucketName = bucketNameOf(kind);
      const bucket = store.bucket(bucketName, kind.fields ?? none);
      return kind.versions.map((version) => {
        const apiVersion = apiVersionOf(kind.group, version);
        const prefix = `{"kind":${JSON.stringify(kind.kind)},"apiVersion":${JSON.stringify(apiVersion)},`;
        const message =
          kind.custom === true || kind.decode !== undefined ? undefined : messageOf(kind.group, kind.kind);
        const decode = message === undefined ? {} : { decode: decodeBuiltin(message) };
        const resource: Resource = { ...decode, ...kind, version, apiVersion, bucket, prefix };
        resources.set(`${kind.group}/${version}/${kind.plural}`, resource);
        if (kind.convert === undefined && version === kind.storageVersion) byBucket.set(bucketName, resource);
        return resource;
      });
    },
    unregister(group, plural) {
      for (const [key, resource] of resources) {
        if (resource.group !== group || resource.plural !== plural) continue;
        resources.delete(key);
        byBucket.delete(resource.bucket.name);
      }
    },
  };
}
