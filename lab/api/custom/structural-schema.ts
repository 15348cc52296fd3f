import { isObject, type JsonObject, type JsonValue, objectOr } from "../object.ts";

const preserve = "x-kubernetes-preserve-unknown-fields";
const embedded = "x-kubernetes-embedded-resource";
const resourceFields = ["apiVersion", "kind", "metadata"];

/**
 * Removes the fields that a structural schema doesn't know, in place, and returns their paths.
 * The root and embedded resources keep apiVersion, kind and metadata.
 */
export function pruneUnknown(value: unknown, schema: JsonObject, path = "", isResource = true): string[] {
  if (Array.isArray(value)) {
    const items = objectOr(schema.items);
    return value.flatMap((member, index) => pruneUnknown(member, items, `${path}[${index}]`, items[embedded] === true));
  }
  if (!isObject(value)) return [];
  const properties = objectOr(schema.properties);
  const { additionalProperties } = schema;
  const found: string[] = [];
  for (const [key, member] of Object.entries(value)) {
    const where = path === "" ? key : `${path}.${key}`;
    if (isResource && resourceFields.includes(key)) continue;
    const known = Object.hasOwn(properties, key) ? properties[key] : undefined;
    if (isObject(known)) found.push(...pruneUnknown(member, known, where, known[embedded] === true));
    else if (isObject(additionalProperties))
      found.push(...pruneUnknown(member, additionalProperties, where, additionalProperties[embedded] === true));
    else if (additionalProperties !== true && schema[preserve] !== true) {
      found.push(where);
      delete value[key];
    }
  }
  return found;
}

/** Fills in `default`s of missing fields, in place. */
export function applyDefaults(value: JsonValue | undefined, schema: JsonObject): void {
  if (Array.isArray(value)) {
    for (const member of value) applyDefaults(member, objectOr(schema.items));
    return;
  }
  if (!isObject(value)) return;
  const properties = objectOr(schema.properties);
  for (const [key, property] of Object.entries(properties)) {
    if (!isObject(property)) continue;
    const missing = value[key] === undefined || (value[key] === null && property.nullable !== true);
    if (missing && property.default !== undefined) value[key] = structuredClone(property.default);
    applyDefaults(value[key], property);
  }
  if (!isObject(schema.additionalProperties)) return;
  for (const [key, member] of Object.entries(value)) {
    if (!Object.hasOwn(properties, key)) applyDefaults(member, schema.additionalProperties);
  }
}

/** Where the schema isn't structural: fields without a type. */
export function untypedFields(schema: JsonObject, path: string): string[] {
  const own =
    schema.type === undefined && schema["x-kubernetes-int-or-string"] !== true && schema[preserve] !== true
      ? [`${path}.type`]
      : [];
  const properties = Object.entries(objectOr(schema.properties)).flatMap(([key, member]) =>
    untypedFields(objectOr(member), `${path}.properties[${key}]`),
  );
  const items = isObject(schema.items) ? untypedFields(schema.items, `${path}.items`) : [];
  const others = isObject(schema.additionalProperties)
    ? untypedFields(schema.additionalProperties, `${path}.additionalProperties`)
    : [];
  return [...own, ...properties, ...items, ...others];
}
