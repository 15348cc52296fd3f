import type { User } from "./http/authentication.ts";
import type { ResourcePath } from "./http/path.ts";
import type { JsonObject } from "./object.ts";
import { methodNotAllowed } from "./status.ts";

/**
 * The questions about who somebody is and what they may do. There is no authorization in the lab: everything is
 * allowed. Undefined when the path asks for something else.
 */
export function review(path: ResourcePath, method: string, user: User, body: () => JsonObject): object | undefined {
  const { group, plural } = path;
  if (group !== "authorization.k8s.io" && group !== "authentication.k8s.io") return undefined;
  const statusOf = () => {
    switch (plural) {
      case "selfsubjectaccessreviews":
      case "subjectaccessreviews":
      case "localsubjectaccessreviews":
        return { allowed: true, reason: "the lab allows everything" };
      case "selfsubjectrulesreviews":
        return {
          resourceRules: [{ verbs: ["*"], apiGroups: ["*"], resources: ["*"] }],
          nonResourceRules: [{ verbs: ["*"], nonResourceURLs: ["*"] }],
          incomplete: false,
        };
      case "selfsubjectreviews":
        return { userInfo: user };
      case "tokenreviews":
        return { authenticated: false };
      default:
        return undefined;
    }
  };
  const status = statusOf();
  if (status === undefined) return undefined;
  if (method !== "POST") throw methodNotAllowed();
  return { ...body(), status };
}
