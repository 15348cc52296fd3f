import { isIP } from "node:net";
import { Ajv, type ErrorObject } from "ajv";
import { isObject, type JsonObject, type JsonValue, type KubeObject } from "../object.ts";
import { type Cause, causes } from "../status.ts";

const maxCauses = 20;

const formats = {
  ipv4: (text: string) => isIP(text) === 4,
  ipv6: (text: string) => isIP(text) === 6,
  cidr: (text: string) => {
    const [address = "", length = "", ...rest] = text.split("/");
    return (
      rest.length === 0 &&
      /^\d{1,3}$/.test(length) &&
      isIP(address) !== 0 &&
      Number(length) <= (isIP(address) === 4 ? 32 : 128)
    );
  },
  mac: /^([0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}$/,
  uuid: /^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$/,
  "date-time": /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/,
  date: /^\d{4}-\d{2}-\d{2}$/,
  byte: /^[A-Za-z0-9+/]*={0,2}$/,
  int32: { type: "number", validate: (number: number) => number >= -(2 ** 31) && number < 2 ** 31 },
  int64: { type: "number", validate: (number: number) => Math.abs(number) <= 2 ** 63 },
} as const;

const copied = [
  "type",
  "required",
  "enum",
  "pattern",
  "format",
  "minLength",
  "maxLength",
  "minItems",
  "maxItems",
  "uniqueItems",
  "minProperties",
  "maxProperties",
  "multipleOf",
  "minimum",
  "maximum",
] as const;

/** OpenAPI v3.0 schema → JSON schema: nullable, boolean exclusive bounds, int-or-string. */
function toJsonSchema(schema: JsonValue | undefined): JsonObject | boolean {
  if (typeof schema === "boolean") return schema;
  if (!isObject(schema)) return {};
  const result: JsonObject = {};
  for (const key of copied) if (schema[key] !== undefined) result[key] = schema[key];
  if (schema["x-kubernetes-int-or-string"] === true) result.type = ["integer", "string"];
  if (schema.nullable === true && typeof result.type === "string") {
    result.type = [result.type, "null"];
    if (Array.isArray(result.enum)) result.enum = [...result.enum, null];
  }
  for (const [bound, exclusive] of [
    ["minimum", "exclusiveMinimum"],
    ["maximum", "exclusiveMaximum"],
  ] as const) {
    if (schema[exclusive] !== true || typeof schema[bound] !== "number") continue;
    delete result[bound];
    result[exclusive] = schema[bound];
  }
  if (isObject(schema.properties)) {
    result.properties = Object.fromEntries(
      Object.entries(schema.properties).map(([key, member]) => [key, toJsonSchema(member)]),
    );
  }
  if (schema.items !== undefined) result.items = toJsonSchema(schema.items);
  if (schema.not !== undefined) result.not = toJsonSchema(schema.not);
  if (isObject(schema.additionalProperties)) result.additionalProperties = toJsonSchema(schema.additionalProperties);
  for (const key of ["allOf", "anyOf", "oneOf"]) {
    const parts = schema[key];
    if (Array.isArray(parts)) result[key] = parts.map(toJsonSchema);
  }
  return result;
}

/** `/spec/ports/0/name` → `spec.ports[0].name` */
function fieldOf(pointer: string): string {
  const segments = pointer
    .split("/")
    .slice(1)
    .map((segment) => segment.replaceAll("~1", "/").replaceAll("~0", "~"));
  return segments.reduce(
    (text, segment) => (/^\d+$/.test(segment) ? `${text}[${segment}]` : text === "" ? segment : `${text}.${segment}`),
    "",
  );
}

function causeOf({ keyword, instancePath, params, data, message = "" }: ErrorObject): Cause | undefined {
  const field = fieldOf(instancePath) || "<nil>";
  const limit = String(params.limit);
  switch (keyword) {
    case "required": {
      const missing = String(params.missingProperty);
      return causes.required(instancePath === "" ? missing : `${field}.${missing}`);
    }
    case "type": {
      const type = [params.type]
        .flat()
        .filter((one) => one !== "null")
        .join(",");
      return causes.typeInvalid(
        field,
        typeName(data),
        `${field} in body must be of type ${type}: ${JSON.stringify(typeName(data))}`,
      );
    }
    case "enum":
      return causes.notSupported(
        field,
        data,
        (params.allowedValues as unknown[]).filter((one) => one !== null).map(String),
      );
    case "pattern":
      return causes.invalid(field, data, `${field} in body should match '${String(params.pattern)}'`);
    case "format":
      return causes.invalid(
        field,
        data,
        `${field} in body must be of type ${String(params.format)}: ${JSON.stringify(data)}`,
      );
    case "minimum":
      return causes.invalid(field, data, `${field} in body should be greater than or equal to ${limit}`);
    case "maximum":
      return causes.invalid(field, data, `${field} in body should be less than or equal to ${limit}`);
    case "minLength":
      return causes.invalid(field, data, `${field} in body should be at least ${limit} chars long`);
    case "maxLength":
      return causes.tooLong(field, Number(limit));
    case "minItems":
      return causes.invalid(field, lengthOf(data), `${field} in body should have at least ${limit} items`);
    case "maxItems":
      return causes.invalid(field, lengthOf(data), `${field} in body should have at most ${limit} items`);
    case "if":
      return undefined;
    default:
      return causes.invalid(field, data, `${field} in body ${message}`);
  }
}

function typeName(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

const lengthOf = (value: unknown) => (Array.isArray(value) ? value.length : 0);

/** Compiles a structural schema; throws when a keyword's value is malformed (a pattern, a bound). */
export function compileValidator(schema: JsonObject): (object: KubeObject) => readonly Cause[] {
  const ajv = new Ajv({
    strict: false,
    allErrors: true,
    verbose: true,
    logger: false,
    formats,
    meta: false,
    validateSchema: false,
  });
  const root = toJsonSchema(schema);
  // metadata is checked by the server itself, whatever the schema says of it.
  if (isObject(root) && isObject(root.properties)) delete root.properties.metadata;
  const check = ajv.compile(root);
  return (object) => {
    if (check(object)) return [];
    return (check.errors ?? []).slice(0, maxCauses).flatMap((error) => causeOf(error) ?? []);
  };
}
