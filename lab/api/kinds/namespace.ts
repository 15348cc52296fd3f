import { stringOr } from "../object.ts";
import type { Kind } from "../resource.ts";
import { ageColumn } from "../serve/table.ts";

export const namespaceKind: Kind = {
  group: "",
  kind: "Namespace",
  plural: "namespaces",
  singular: "namespace",
  shortNames: ["ns"],
  namespaced: false,
  versions: ["v1"],
  storageVersion: "v1",
  hasStatus: true,
  statusCarriesMetadata: true,
  nameRule: "label",
  returnsDeleted: true,
  fieldNames: ["status.phase"],
  fields: ({ status }) => ({ "status.phase": stringOr(status?.phase) }),
  setDefaults(namespace) {
    const { name = "" } = namespace.metadata;
    if (typeof name === "string" && name !== "") {
      namespace.metadata.labels = { ...namespace.metadata.labels, "kubernetes.io/metadata.name": name };
    }
  },
  prepareCreate(namespace) {
    namespace.spec = { finalizers: ["kubernetes"] };
    namespace.status = { phase: "Active" };
    return [];
  },
  // The spec's finalizers move only through /finalize.
  prepareUpdate(namespace, old) {
    namespace.spec = old.spec;
    return [];
  },
  columns: [{ name: "Status", type: "string", cell: ({ status }) => stringOr(status?.phase) }, ageColumn],
  subresources: ["finalize"],
};
