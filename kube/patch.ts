/** One operation of a JSON Patch (RFC 6902 section 4). */
export type JsonPatchOperation =
  | { readonly op: "add" | "replace" | "test"; readonly path: string; readonly value: unknown }
  | { readonly op: "remove"; readonly path: string }
  | { readonly op: "move" | "copy"; readonly from: string; readonly path: string };

/** `merge`: RFC 7396. `json`: RFC 6902. `strategic`: Kubernetes' own, for its built-in kinds only. `apply`: server-side. */
export type PatchType = "merge" | "json" | "strategic" | "apply";

export const patchContentType: Readonly<Record<PatchType, string>> = {
  merge: "application/merge-patch+json",
  json: "application/json-patch+json",
  strategic: "application/strategic-merge-patch+json",
  apply: "application/apply-patch+yaml",
};

/**
 * A JSON Pointer (RFC 6901) from its unescaped parts:
 * `jsonPointer("metadata", "annotations", "ovenbird.io/network")` is `/metadata/annotations/ovenbird.io~1network`.
 */
export function jsonPointer(...parts: readonly (string | number)[]): string {
  return parts.map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}
