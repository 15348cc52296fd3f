import { randomBytes } from "node:crypto";
import { isIP } from "node:net";
import { isObject, type KubeObject } from "./object.ts";
import type { Kind } from "./resource.ts";
import { type Cause, causes } from "./status.ts";

const label = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const label1035 = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const qualifiedName = /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const labelValue = /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/;
const maxAnnotationBytes = 256 * 1024;

const subdomainMessage =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const labelMessage =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const label1035Message =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const qualifiedNameMessage =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

/** Faults of a DNS subdomain (RFC 1123), undefined when there is none. */
export function subdomainFault(name: string): string | undefined {
  if (name.length > 253) return "must be no more than 253 characters";
  return subdomain.test(name) ? undefined : subdomainMessage;
}

export function labelFault(name: string): string | undefined {
  if (name.length > 63) return "must be no more than 63 characters";
  return label.test(name) ? undefined : labelMessage;
}

function nameFault(rule: Kind["nameRule"], name: string): string | undefined {
  switch (rule) {
    case "subdomain":
      return subdomainFault(name);
    case "label":
      return labelFault(name);
    case "label1035":
      if (name.length > 63) return "must be no more than 63 characters";
      return label1035.test(name) ? undefined : label1035Message;
    case "path":
      if (name === "." || name === "..") return `may not be '${name}'`;
      return /[/%]/.test(name) ? "may not contain '/' or '%'" : undefined;
  }
}

/** Faults of a label or annotation key. */
export function qualifiedNameFault(key: string): string | undefined {
  const slash = key.indexOf("/");
  const name = key.slice(slash + 1);
  if (slash >= 0) {
    const fault = subdomainFault(key.slice(0, slash));
    if (fault !== undefined) return `prefix part ${fault}`;
  }
  if (name === "") return "name part must be non-empty";
  if (name.length > 63) return "name part must be no more than 63 characters";
  return qualifiedName.test(name) ? undefined : qualifiedNameMessage;
}

/** Labels as ObjectMeta and selectors hold them. */
export function labelCauses(labels: unknown, field: string): Cause[] {
  if (labels === undefined || labels === null) return [];
  if (!isObject(labels)) return [causes.typeInvalid(field, labels, "must be a map of strings")];
  return Object.entries(labels).flatMap(([key, value]) => {
    const fault = qualifiedNameFault(key);
    if (fault !== undefined) return [causes.invalid(field, key, fault)];
    if (typeof value !== "string") return [causes.typeInvalid(field, value, "must be a string")];
    if (value.length > 63) return [causes.invalid(field, value, "must be no more than 63 characters")];
    return labelValue.test(value)
      ? []
      : [
          causes.invalid(
            field,
            value,
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
          ),
        ];
  });
}

function annotationCauses(annotations: unknown, field: string): Cause[] {
  if (annotations === undefined || annotations === null) return [];
  if (!isObject(annotations)) return [causes.typeInvalid(field, annotations, "must be a map of strings")];
  let bytes = 0;
  const found = Object.entries(annotations).flatMap(([key, value]) => {
    const fault = qualifiedNameFault(key.toLowerCase());
    if (fault !== undefined) return [causes.invalid(field, key, fault)];
    if (typeof value !== "string") return [causes.typeInvalid(field, value, "must be a string")];
    bytes += key.length + Buffer.byteLength(value);
    return [];
  });
  return bytes > maxAnnotationBytes ? [...found, causes.tooLong(field, maxAnnotationBytes)] : found;
}

function ownerCauses(owners: unknown): Cause[] {
  const field = "metadata.ownerReferences";
  if (owners === undefined || owners === null) return [];
  if (!Array.isArray(owners)) return [causes.typeInvalid(field, owners, "must be a list")];
  return owners.flatMap((owner, index) => {
    if (!isObject(owner)) return [causes.typeInvalid(`${field}[${index}]`, owner, "must be an object")];
    return ["apiVersion", "kind", "name", "uid"].flatMap((key) =>
      typeof owner[key] === "string" && owner[key] !== ""
        ? []
        : [causes.invalid(`${field}[${index}].${key}`, owner[key] ?? "", "must not be empty")],
    );
  });
}

function finalizerCauses(finalizers: unknown): Cause[] {
  const field = "metadata.finalizers";
  if (finalizers === undefined || finalizers === null) return [];
  if (!Array.isArray(finalizers)) return [causes.typeInvalid(field, finalizers, "must be a list")];
  return finalizers.flatMap((finalizer, index) => {
    const fault = typeof finalizer === "string" ? qualifiedNameFault(finalizer) : "must be a string";
    return fault === undefined ? [] : [causes.invalid(`${field}[${index}]`, finalizer, fault)];
  });
}

/** All faults of ObjectMeta, as `ValidateObjectMeta` upstream finds them. */
export function metadataCauses(kind: Kind, { metadata }: KubeObject): Cause[] {
  const found: Cause[] = [];
  const name: unknown = metadata.name;
  if (name === undefined || name === "") {
    found.push(causes.required("metadata.name", "name or generateName is required"));
  } else if (typeof name !== "string") found.push(causes.typeInvalid("metadata.name", name, "must be a string"));
  else {
    const fault = nameFault(kind.nameRule, name);
    if (fault !== undefined) found.push(causes.invalid("metadata.name", name, fault));
  }
  if (kind.namespaced) {
    const namespace: unknown = metadata.namespace;
    const fault = typeof namespace === "string" ? labelFault(namespace) : "must be a string";
    if (fault !== undefined) found.push(causes.invalid("metadata.namespace", namespace, fault));
  } else if (metadata.namespace !== undefined) {
    found.push(causes.forbidden("metadata.namespace", "not allowed on this type"));
  }
  found.push(
    ...labelCauses(metadata.labels, "metadata.labels"),
    ...annotationCauses(metadata.annotations, "metadata.annotations"),
    ...ownerCauses(metadata.ownerReferences),
    ...finalizerCauses(metadata.finalizers),
  );
  return found;
}

const suffixAlphabet = "bcdfghjklmnpqrstvwxz2456789";

/** `generateName` plus five random characters, of the alphabet that upstream takes. */
export function generateName(base: string): string {
  const suffix = [...randomBytes(5)].map((byte) => suffixAlphabet[byte % suffixAlphabet.length]).join("");
  return `${base.slice(0, 58)}${suffix}`;
}

export function ipFault(text: unknown): string | undefined {
  return typeof text === "string" && isIP(text) !== 0
    ? undefined
    : "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
}

export function portFault(port: unknown): string | undefined {
  return Number.isInteger(port) && Number(port) >= 1 && Number(port) <= 65_535
    ? undefined
    : "must be between 1 and 65535, inclusive";
}
