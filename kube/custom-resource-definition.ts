import * as z from "zod";
import { apiVersionOf, type Resource } from "./resource.ts";

/** A custom resource, as far as its definition says it. */
export interface CustomResource {
  readonly resource: Resource;
  readonly singular: string;
  /** For `kubectl explain`. */
  readonly description: string;
  /** Of the object without `apiVersion`, `kind` and `metadata`. */
  readonly schema: z.ZodObject;
  /** Whether `status` is a subresource, written apart from the rest. */
  readonly hasStatus: boolean;
  readonly shortNames?: readonly string[];
  /** Of the definition. */
  readonly annotations?: Readonly<Record<string, string>>;
  readonly columns: readonly { readonly name: string; readonly type: string; readonly jsonPath: string }[];
}

/**
 * What structural schemas of Kubernetes (apiextensions/v1, "Specifying a structural schema") do not have or do not need,
 * taken out of JSON Schema: draft and closedness, and the bounds of JavaScript's integers.
 */
function structural(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(structural);
  if (typeof schema !== "object" || schema === null) return schema;
  const { $schema: _draft, propertyNames: _names, additionalProperties, ...rest } = schema as Record<string, unknown>;
  if (rest.maximum === Number.MAX_SAFE_INTEGER) delete rest.maximum;
  const members = Object.entries(rest).map(([key, value]) => [key, structural(value)]);
  const open =
    typeof additionalProperties === "object" ? { additionalProperties: structural(additionalProperties) } : {};
  const format = rest.type === "integer" ? { format: "int64" } : {};
  return { ...Object.fromEntries(members), ...format, ...open };
}

/** The CustomResourceDefinition of a resource whose zod schema is the only source. */
export function customResourceDefinition(custom: CustomResource): object {
  const { resource, singular, description, hasStatus, shortNames, annotations, columns } = custom;
  const { group, version, plural, kind, namespaced } = resource;
  const schema = structural(z.toJSONSchema(custom.schema, { io: "input" })) as {
    properties: object;
    required: string[];
  };
  return {
    apiVersion: apiVersionOf({ group: "apiextensions.k8s.io", version: "v1" }),
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}`, ...(annotations === undefined ? {} : { annotations }) },
    spec: {
      group,
      scope: namespaced ? "Namespaced" : "Cluster",
      names: {
        ...{ plural, singular, kind, listKind: `${kind}List` },
        ...(shortNames === undefined ? {} : { shortNames }),
        categories: ["ovenbird"],
      },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          ...(hasStatus ? { subresources: { status: {} } } : {}),
          additionalPrinterColumns: columns,
          schema: {
            openAPIV3Schema: {
              ...schema,
              description,
              properties: {
                apiVersion: { type: "string" },
                kind: { type: "string" },
                metadata: { type: "object" },
                ...schema.properties,
              },
            },
          },
        },
      ],
    },
  };
}
