/**
 * Everything about a Service and its endpoints that its user has to act on, with what it means. What is named is left
 * out; the rest of the Service works, and so does every other one.
 */
export const serviceProblemCodes = {
  SERVICE_VIP_CONFLICT:
    "An address and port of the Service belong to an older one, or to one whose cluster IP it is; they are left out.",
  SERVICE_WITHOUT_PORTS: "The Service has an address but no port, so nothing reaches it.",
  SERVICE_FAMILY_MISMATCH: "An address of the Service is of a family that the Service or the cluster doesn't have.",
  INVALID_SERVICE: "A field of the Service can't be read; what it names is left out.",
  INVALID_ENDPOINT: "An endpoint can't be reached at the address given, or is not of its slice's family.",
  ENDPOINT_OUTSIDE_CLUSTER: "An endpoint of a Service with a selector is in no network of the cluster.",
} as const satisfies Record<string, string>;

export type ServiceProblemCode = keyof typeof serviceProblemCodes;
