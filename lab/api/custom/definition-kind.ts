import { labelFault, subdomainFault } from "../metadata.ts";
import { type JsonObject, type KubeObject, objectOr, objectsOf, stringOr } from "../object.ts";
import type { Kind } from "../resource.ts";
import { type Cause, causes } from "../status.ts";
import { parseJsonPath } from "./json-path.ts";
import { untypedFields } from "./structural-schema.ts";
import { compileValidator } from "./validator.ts";

function setDefaults(definition: KubeObject): void {
  const { spec } = definition;
  if (spec === undefined) return;
  const names = objectOr(spec.names);
  if (typeof names.kind === "string") {
    names.singular ??= names.kind.toLowerCase();
    names.listKind ??= `${names.kind}List`;
  }
  spec.names = names;
  spec.conversion ??= { strategy: "None" };
}

function versionCauses(version: JsonObject, path: string): Cause[] {
  const found: Cause[] = [];
  const name = stringOr(version.name);
  const fault = labelFault(name);
  if (fault !== undefined) found.push(causes.invalid(`${path}.name`, name, fault));
  for (const flag of ["served", "storage"])
    if (typeof version[flag] !== "boolean") found.push(causes.required(`${path}.${flag}`));
  const schema = objectOr(version.schema).openAPIV3Schema;
  const where = `${path}.schema.openAPIV3Schema`;
  if (schema === undefined) return [...found, causes.required(where, "schemas are required")];
  const root = objectOr(schema);
  if (root.type !== "object")
    found.push(causes.invalid(`${where}.type`, root.type ?? "", "must be object at the root"));
  for (const field of untypedFields(root, where))
    found.push(causes.required(field, "must not be empty for specified object fields"));
  try {
    compileValidator(root);
  } catch (error) {
    found.push(causes.invalid(where, "", error instanceof Error ? error.message : String(error)));
  }
  objectsOf(version.additionalPrinterColumns).forEach((column, index) => {
    if (parseJsonPath(stringOr(column.jsonPath)) === undefined) {
      found.push(
        causes.invalid(`${path}.additionalPrinterColumns[${index}].jsonPath`, column.jsonPath, "is not understood"),
      );
    }
  });
  return found;
}

function validate(definition: KubeObject): Cause[] {
  const spec = definition.spec ?? {};
  const names = objectOr(spec.names);
  const found: Cause[] = [];
  const group = stringOr(spec.group);
  const groupFault = group.includes(".") ? subdomainFault(group) : "should be a domain with at least one dot";
  if (group === "") found.push(causes.required("spec.group"));
  else if (groupFault !== undefined) found.push(causes.invalid("spec.group", group, groupFault));
  if (spec.scope !== "Namespaced" && spec.scope !== "Cluster")
    found.push(causes.notSupported("spec.scope", spec.scope, ["Cluster", "Namespaced"]));
  for (const key of ["plural", "singular", "kind", "listKind"])
    if (stringOr(names[key]) === "") found.push(causes.required(`spec.names.${key}`));
  const expected = `${stringOr(names.plural)}.${group}`;
  if (definition.metadata.name !== expected) {
    found.push(causes.invalid("metadata.name", definition.metadata.name, 'must be spec.names.plural+"."+spec.group'));
  }
  const versions = objectsOf(spec.versions);
  if (versions.length === 0) found.push(causes.required("spec.versions"));
  else if (versions.filter(({ storage }) => storage === true).length !== 1) {
    found.push(
      causes.invalid(
        "spec.versions",
        versions.map(({ name }) => name),
        "must have exactly one version marked as storage version",
      ),
    );
  }
  if (new Set(versions.map(({ name }) => name)).size < versions.length) {
    found.push(
      causes.invalid(
        "spec.versions",
        versions.map(({ name }) => name),
        "must contain unique version names",
      ),
    );
  }
  if (objectOr(spec.conversion).strategy !== "None") {
    found.push(
      causes.invalid(
        "spec.conversion.strategy",
        objectOr(spec.conversion).strategy,
        "the lab converts with strategy None only",
      ),
    );
  }
  versions.forEach((version, index) => {
    found.push(...versionCauses(version, `spec.versions[${index}]`));
  });
  return found;
}

function validateUpdate(next: KubeObject, old: KubeObject): Cause[] {
  return ["group", "scope"].flatMap((key) =>
    next.spec?.[key] === old.spec?.[key] ? [] : [causes.invalid(`spec.${key}`, next.spec?.[key], "field is immutable")],
  );
}

export const definitionsPlural = "customresourcedefinitions";
export const cleanupFinalizer = "customresourcecleanup.apiextensions.k8s.io";

export const definitionKind: Kind = {
  group: "apiextensions.k8s.io",
  kind: "CustomResourceDefinition",
  plural: definitionsPlural,
  singular: "customresourcedefinition",
  shortNames: ["crd", "crds"],
  categories: ["api-extensions"],
  namespaced: false,
  versions: ["v1"],
  storageVersion: "v1",
  hasStatus: true,
  hasGeneration: true,
  statusCarriesMetadata: true,
  nameRule: "subdomain",
  setDefaults,
  prepareCreate(definition) {
    definition.metadata.finalizers = [...new Set([...(definition.metadata.finalizers ?? []), cleanupFinalizer])];
    definition.status = {
      conditions: [],
      acceptedNames: { plural: "", kind: "" },
      storedVersions: objectsOf(definition.spec?.versions).flatMap(({ name, storage }) =>
        storage === true ? [stringOr(name)] : [],
      ),
    };
    return [];
  },
  validate,
  validateUpdate,
};
