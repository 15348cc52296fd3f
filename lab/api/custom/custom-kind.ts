import {
  isObject,
  type JsonObject,
  type JsonValue,
  type KubeObject,
  objectOr,
  objectsOf,
  stringOr,
} from "../object.ts";
import type { Column, Kind } from "../resource.ts";
import { ageSince } from "../serve/duration.ts";
import { ageColumn } from "../serve/table.ts";
import { parseJsonPath } from "./json-path.ts";
import { brokenRules } from "./rules.ts";
import { applyDefaults, pruneUnknown } from "./structural-schema.ts";
import { compileValidator } from "./validator.ts";

function cellOf(value: JsonValue | undefined, type: string, now: number): string | number | boolean | null {
  if (value === undefined || value === null) return null;
  if (type === "date") return ageSince(value, now);
  if (type === "string") return typeof value === "string" ? value : JSON.stringify(value);
  return typeof value === "object" ? JSON.stringify(value) : value;
}

function columnsOf(version: JsonObject): readonly Column[] {
  const columns = objectsOf(version.additionalPrinterColumns).flatMap((column): Column[] => {
    const read = parseJsonPath(stringOr(column.jsonPath));
    const type = stringOr(column.type, "string");
    if (read === undefined) return [];
    return [
      {
        name: stringOr(column.name),
        type: type as Column["type"],
        format: stringOr(column.format),
        description: stringOr(column.description),
        priority: typeof column.priority === "number" ? column.priority : 0,
        cell: (object, now) => cellOf(read(object as unknown as JsonObject)[0], type, now),
      },
    ];
  });
  return columns.length === 0 ? [ageColumn] : columns;
}

function selectableOf(
  version: JsonObject,
): readonly { readonly name: string; readonly read: (object: KubeObject) => string }[] {
  return objectsOf(version.selectableFields).flatMap(({ jsonPath }) => {
    const path = stringOr(jsonPath);
    const read = parseJsonPath(path);
    if (read === undefined) return [];
    const text = (object: KubeObject) => {
      const [value] = read(object as unknown as JsonObject);
      return value === undefined || value === null ? "" : String(value);
    };
    return [{ name: path.replace(/^\./, ""), read: text }];
  });
}

const json = (object: KubeObject): JsonValue => object as unknown as JsonValue;

/** The kinds that a definition serves, one per version: each version has its own schema and columns. */
export function customKinds(definition: KubeObject): readonly Kind[] {
  const spec = definition.spec ?? {};
  const names = objectOr(spec.names);
  const versions = objectsOf(spec.versions);
  const storage = stringOr(versions.find((version) => version.storage === true)?.name);
  const list = (value: unknown) => (Array.isArray(value) ? value.map(String) : undefined);
  return versions
    .filter(({ served }) => served === true)
    .map((version): Kind => {
      const schema = objectOr(objectOr(version.schema).openAPIV3Schema);
      const validate = compileValidator(schema);
      const selectable = selectableOf(version);
      const subresources = objectOr(version.subresources);
      const shortNames = list(names.shortNames);
      const categories = list(names.categories);
      return {
        group: stringOr(spec.group),
        kind: stringOr(names.kind),
        listKind: stringOr(names.listKind),
        plural: stringOr(names.plural),
        singular: stringOr(names.singular),
        ...(shortNames === undefined ? {} : { shortNames }),
        ...(categories === undefined ? {} : { categories }),
        namespaced: spec.scope === "Namespaced",
        versions: [stringOr(version.name)],
        storageVersion: storage,
        custom: true,
        hasStatus: isObject(subresources.status),
        hasGeneration: true,
        nameRule: "subdomain",
        fieldNames: selectable.map(({ name }) => name),
        fields: (object) => Object.fromEntries(selectable.map(({ name, read }) => [name, read(object)])),
        decode: (object) => ({ unknown: pruneUnknown(object, schema) }),
        setDefaults: (object) => applyDefaults(object as unknown as JsonObject, schema),
        // Rules count once the shape is right.
        validate(object) {
          const found = validate(object);
          return found.length > 0 ? found : brokenRules(schema, json(object), undefined);
        },
        validateUpdate: (object, old) => brokenRules(schema, json(object), json(old)),
        columns: columnsOf(version),
        schema,
      };
    });
}
