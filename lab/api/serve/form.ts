import { ApiError } from "../status.ts";

/** The form in which the client wants objects. */
export type Form =
  | { readonly kind: "object"; readonly yaml: boolean }
  | { readonly kind: "table"; readonly version: "v1" | "v1beta1" }
  | { readonly kind: "partial"; readonly version: "v1" | "v1beta1" };

const plain: Form = { kind: "object", yaml: false };

/** Reads Accept: the first form that this server has; 406 when there is none. Protobuf isn't offered. */
export function negotiate(accept: string | undefined): Form {
  if (accept === undefined || accept === "" || accept === "application/json" || accept === "*/*") return plain;
  for (const offer of accept.split(",")) {
    const [type = "", ...parameters] = offer.split(";").map((part) => part.trim());
    if (type === "*/*" || type === "application/*") return plain;
    if (type === "application/yaml") return { kind: "object", yaml: true };
    if (type !== "application/json") continue;
    const values = new Map(parameters.map((parameter) => parameter.split("=", 2) as [string, string]));
    const as = values.get("as");
    if (as === undefined) return plain;
    const version = values.get("v");
    if (values.get("g") !== "meta.k8s.io" || (version !== "v1" && version !== "v1beta1")) continue;
    if (as === "Table") return { kind: "table", version };
    if (as === "PartialObjectMetadata" || as === "PartialObjectMetadataList") return { kind: "partial", version };
  }
  throw new ApiError(
    "NotAcceptable",
    "only the following media types are accepted: application/json, application/yaml, application/json;stream=watch",
  );
}
