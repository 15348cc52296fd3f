import * as z from "zod";

/** What the schemas of Ovenbird's own kinds have in common. */

/** A DNS subdomain, as names of objects are. */
export const objectName = z
  .string()
  .min(1)
  .max(253)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/);
/** A DNS label, as names of namespaces are. */
export const labelName = z
  .string()
  .min(1)
  .max(63)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);
export const addressText = z
  .string()
  .min(2)
  .max(45)
  .regex(/^[0-9a-fA-F:.]+$/);
export const cidrText = z
  .string()
  .min(4)
  .max(49)
  .regex(/^[0-9a-fA-F:.]+\/[0-9]{1,3}$/);
/** An address, a network, or `first-last`. */
export const rangeText = z
  .string()
  .min(2)
  .max(96)
  .regex(/^[0-9a-fA-F:.]+(\/[0-9]{1,3}| *- *[0-9a-fA-F:.]+)?$/);
export const macText = z.string().regex(/^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/);
export const vlanNumber = z.int().min(1).max(4094);

/** metav1.LabelSelector. */
export const labelSelector = z
  .object({
    matchLabels: z.record(z.string(), z.string()).optional().describe("Labels that are wanted with their values."),
    matchExpressions: z
      .array(
        z.object({
          key: z.string().describe("The label's key."),
          operator: z.string().describe("In, NotIn, Exists or DoesNotExist."),
          values: z.array(z.string()).optional().describe("Of In and NotIn, one or more."),
        }),
      )
      .optional()
      .describe("Further conditions; all have to hold."),
  })
  .meta({ "x-kubernetes-map-type": "atomic" });

/** Namespaces by name, by label, or by either. */
export const namespaceSelection = z.object({
  names: z
    .array(labelName)
    .max(1024)
    .optional()
    .meta({ "x-kubernetes-list-type": "set" })
    .describe("Namespaces by their names."),
  selector: labelSelector.optional().describe("Namespaces by their labels; an empty selector means all."),
});

export const listOf = <T extends z.ZodType>(item: T, max: number) => z.array(item).max(max);
export const setOf = <T extends z.ZodType>(item: T, max: number) =>
  z.array(item).max(max).meta({ "x-kubernetes-list-type": "set" });

const count = z.int().min(0);
/** Addresses per family. */
export const addressCounts = z.object({
  ipv4: count.describe("IPv4 addresses."),
  ipv6: count.describe("IPv6 addresses; 9007199254740991 stands for that many or more."),
});
export const objectCount = count;

/** metav1.Condition. */
const condition = z.object({
  type: z.string().max(316).describe("Ready, or what else there is to say."),
  status: z.enum(["True", "False", "Unknown"]),
  reason: z.string().max(1024).describe("One word for machines."),
  message: z.string().max(32_768).describe("For people."),
  lastTransitionTime: z.string().meta({ format: "date-time" }),
  observedGeneration: z.int().min(0).optional().describe("The generation of the spec that this is about."),
});
export type ResourceCondition = z.infer<typeof condition>;
export const conditions = z
  .array(condition)
  .max(8)
  .optional()
  .meta({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"] })
  .describe("Whether it works, and if not, what to do.");
export const observedGeneration = z
  .int()
  .min(0)
  .optional()
  .describe("The generation of the spec that the status is about.");

/** A rule of the API server in CEL (apiextensions/v1, ValidationRule). */
export interface CelRule {
  readonly rule: string;
  readonly message: string;
}
export const rules = (...each: readonly CelRule[]) => ({ "x-kubernetes-validations": each });
export const cannotChange = (what: string): CelRule => ({
  rule: "self == oldSelf",
  message: `${what} can't be changed; make another object`,
});

/** Of a list of at most two. */
export const canOnlyGrow = (what: string): CelRule => ({
  rule: "self[0] == oldSelf[0] && (size(oldSelf) < 2 || (size(self) > 1 && self[1] == oldSelf[1]))",
  message: `${what} can be added for the other family, but not changed or removed; make another object`,
});
/** What may be absent is there from the beginning, or never. */
export const staysAbsent = (field: string): CelRule => ({
  rule: `has(self.${field}) == has(oldSelf.${field})`,
  message: `${field} can't be added or removed; make another object`,
});

export const column = (name: string, type: "string" | "integer" | "boolean" | "date", jsonPath: string) => ({
  name,
  type,
  jsonPath,
});
export const readyColumn = column("Ready", "string", '.status.conditions[?(@.type=="Ready")].status');
export const reasonColumn = column("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason');
export const ageColumn = column("Age", "date", ".metadata.creationTimestamp");
