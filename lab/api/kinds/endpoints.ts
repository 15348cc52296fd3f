import { ipFault } from "../metadata.ts";
import { type KubeObject, objectsOf, stringOr } from "../object.ts";
import type { Kind } from "../resource.ts";
import { ageColumn } from "../serve/table.ts";
import { type Cause, causes } from "../status.ts";
import { familyOf } from "./service.ts";

function addressesText({ ...object }: KubeObject): string {
  const pairs = objectsOf(object.subsets).flatMap((subset) =>
    objectsOf(subset.addresses).flatMap(({ ip }) => {
      const ports = objectsOf(subset.ports);
      const text = stringOr(ip);
      const host = text.includes(":") ? `[${text}]` : text;
      return ports.length === 0 ? [text] : ports.map(({ port }) => `${host}:${port}`);
    }),
  );
  if (pairs.length === 0) return "<none>";
  return pairs.length > 3 ? `${pairs.slice(0, 3).join(",")} + ${pairs.length - 3} more...` : pairs.join(",");
}

export const endpointsKind: Kind = {
  group: "",
  kind: "Endpoints",
  plural: "endpoints",
  singular: "endpoints",
  shortNames: ["ep"],
  namespaced: true,
  versions: ["v1"],
  storageVersion: "v1",
  nameRule: "subdomain",
  setDefaults(endpoints) {
    for (const subset of objectsOf(endpoints.subsets)) {
      for (const port of objectsOf(subset.ports)) port.protocol ??= "TCP";
    }
  },
  validate: (endpoints) =>
    objectsOf(endpoints.subsets).flatMap((subset, index) =>
      objectsOf(subset.addresses).flatMap(({ ip }, at) => {
        const fault = ipFault(ip);
        return fault === undefined ? [] : [causes.invalid(`subsets[${index}].addresses[${at}].ip`, ip, fault)];
      }),
    ),
  columns: [{ name: "Endpoints", type: "string", cell: addressesText }, ageColumn],
};

const addressTypes = ["FQDN", "IPv4", "IPv6"];
const maxEndpoints = 1000;

function sliceCauses(slice: KubeObject): Cause[] {
  const found: Cause[] = [];
  const type = slice.addressType;
  if (type === undefined) found.push(causes.required("addressType"));
  else if (!addressTypes.includes(stringOr(type))) found.push(causes.notSupported("addressType", type, addressTypes));
  const endpoints = objectsOf(slice.endpoints);
  if (endpoints.length > maxEndpoints) {
    found.push({
      reason: "FieldValueInvalid",
      message: `Too many: ${endpoints.length}: must have at most ${maxEndpoints} items`,
      field: "endpoints",
    });
  }
  endpoints.forEach((endpoint, index) => {
    const { addresses } = endpoint;
    const field = `endpoints[${index}].addresses`;
    if (!Array.isArray(addresses) || addresses.length === 0)
      found.push(causes.required(field, "must contain at least 1 address"));
    else if (type === "IPv4" || type === "IPv6") {
      addresses.forEach((address, at) => {
        if (familyOf(address) !== type)
          found.push(causes.invalid(`${field}[${at}]`, address, `must be a valid ${type} address`));
      });
    }
  });
  const names = new Set<string>();
  objectsOf(slice.ports).forEach((port, index) => {
    const name = stringOr(port.name);
    if (names.has(name)) found.push(causes.duplicate(`ports[${index}].name`, name));
    names.add(name);
    if (!["TCP", "UDP", "SCTP"].includes(stringOr(port.protocol))) {
      found.push(causes.notSupported(`ports[${index}].protocol`, port.protocol, ["SCTP", "TCP", "UDP"]));
    }
  });
  return found;
}

export const endpointSliceKind: Kind = {
  group: "discovery.k8s.io",
  kind: "EndpointSlice",
  plural: "endpointslices",
  singular: "endpointslice",
  namespaced: true,
  versions: ["v1"],
  storageVersion: "v1",
  nameRule: "subdomain",
  hasGeneration: true,
  setDefaults(slice) {
    for (const port of objectsOf(slice.ports)) {
      port.protocol ??= "TCP";
      port.name ??= "";
    }
  },
  validate: sliceCauses,
  validateUpdate: (slice, old) =>
    slice.addressType === old.addressType
      ? []
      : [causes.invalid("addressType", slice.addressType, "field is immutable")],
  columns: [
    { name: "AddressType", type: "string", cell: (slice) => stringOr(slice.addressType) },
    {
      name: "Ports",
      type: "string",
      cell: (slice) =>
        objectsOf(slice.ports)
          .map(({ port }) => String(port ?? "*"))
          .join(",") || "<unset>",
    },
    {
      name: "Endpoints",
      type: "string",
      cell: (slice) => {
        const all = objectsOf(slice.endpoints).flatMap(({ addresses }) =>
          Array.isArray(addresses) ? addresses.map(String) : [],
        );
        if (all.length === 0) return "<unset>";
        return all.length > 3 ? `${all.slice(0, 3).join(",")} + ${all.length - 3} more...` : all.join(",");
      },
    },
    ageColumn,
  ],
};
