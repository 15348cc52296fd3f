import { createHash } from "node:crypto";
import type { Registry } from "../registry.ts";
import type { Resource } from "../resource.ts";

/**
 * OpenAPI v3, as much as clients need of it: kubectl looks whether PATCH of a kind takes `fieldValidation` and then
 * leaves validation to the server, and what `kubectl explain` says of custom resources. `/openapi/v2` is asked for as protobuf only, where an empty document is valid.
 */
export function openapiIndex(registry: Registry) {
  // By it clients know whether what they keep is still so.
  const content = registry.all().map(({ kind, version, schema }) => [kind, version, schema]);
  const hash = createHash("sha256").update(JSON.stringify(content)).digest("hex").slice(0, 32);
  const paths = registry.groups().flatMap(({ name, versions }) =>
    versions.map((version) => {
      const path = name === "" ? `api/${version}` : `apis/${name}/${version}`;
      return [path, { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` }];
    }),
  );
  return { paths: Object.fromEntries(paths) };
}

const parameter = (name: string, type = "string") => ({ name, in: "query", schema: { type, uniqueItems: true } });
const writeParameters = [parameter("dryRun"), parameter("fieldManager"), parameter("fieldValidation")];

function operation(resource: Resource, action: string) {
  return {
    responses: { 200: { description: "OK" } },
    "x-kubernetes-action": action,
    "x-kubernetes-group-version-kind": { group: resource.group, kind: resource.kind, version: resource.version },
  };
}

function definitionName({ group, version, kind }: Resource): string {
  const reversed = group === "" ? "io.k8s.api.core" : group.split(".").reverse().join(".");
  return `${reversed}.${version}.${kind}`;
}

/** The document of one group and version; undefined when that isn't served. */
export function openapiDocument(registry: Registry, group: string, version: string) {
  const served = registry.all().filter((one) => one.group === group && one.version === version);
  if (served.length === 0) return undefined;
  const root = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
  const paths = served.flatMap((resource) => {
    const collection = `${root}/${resource.namespaced ? "namespaces/{namespace}/" : ""}${resource.plural}`;
    return [
      [
        collection,
        { get: operation(resource, "list"), post: { ...operation(resource, "post"), parameters: writeParameters } },
      ],
      [
        `${collection}/{name}`,
        {
          get: operation(resource, "get"),
          put: { ...operation(resource, "put"), parameters: writeParameters },
          patch: { ...operation(resource, "patch"), parameters: [...writeParameters, parameter("force", "boolean")] },
          delete: operation(resource, "delete"),
        },
      ],
    ];
  });
  const schemas = served.map((resource) => [
    definitionName(resource),
    {
      ...(resource.schema ?? { type: "object", "x-kubernetes-preserve-unknown-fields": true }),
      "x-kubernetes-group-version-kind": [{ group, kind: resource.kind, version }],
    },
  ]);
  return {
    openapi: "3.0.0",
    info: { title: "Ovenbird lab", version: "v1.32.4" },
    paths: Object.fromEntries(paths),
    components: { schemas: Object.fromEntries(schemas) },
  };
}
