import * as z from "zod";
import { customResourceDefinition } from "./custom-resource-definition.ts";
import { adminNetworkPolicies, baselineAdminNetworkPolicies, clusterNetworkPolicies } from "./resource.ts";

/**
 * Definitions of the policies that span the cluster (policy.networking.k8s.io: AdminNetworkPolicy and
 * BaselineAdminNetworkPolicy v1alpha1, ClusterNetworkPolicy v1alpha2), for clusters that don't have those of the
 * project network-policy-api. They demand what those demand but for the rules in CEL, which the controller sees to itself.
 * `deploy/crds/*networkpolicies.yaml` are generated from the schemas here.
 */

/** What an object can't have but one of is a field each, of which one is set. */
const oneField = { minProperties: 1, maxProperties: 1 };
const list = <T extends z.ZodType>(item: T, max: number) => z.array(item).min(1).max(max);

const labelSelector = z
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

const namespaces = labelSelector
  .optional()
  .describe("All pods of the namespaces with these labels; of all where empty.");
const selectedPods = (namespaceSelector: z.ZodType) =>
  z
    .object({
      namespaceSelector: namespaceSelector.describe("Which namespaces, all where empty."),
      podSelector: labelSelector.describe("Which pods in them, all where empty."),
    })
    .optional()
    .describe("Pods by their labels and their namespaces'; those on their node's network never.");

const networks = list(z.string().max(43), 25)
  .optional()
  .meta({ "x-kubernetes-list-type": "set" })
  .describe("Networks (10.0.0.0/8, fd00::/8); pods of the cluster in them are meant too.");
const domainNames = list(
  z.string().regex(/^(\*\.)?([a-zA-Z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.)+[a-zA-Z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.?$/),
  25,
)
  .optional()
  .meta({ "x-kubernetes-list-type": "set" })
  .describe("Domain names (example.com) and all below one (*.example.com); only of rules that let through.");
const nodes = labelSelector.optional().describe("Nodes by their labels; all where empty.");

const ruleName = z.string().max(100).optional().describe("For people.");
const portNumber = z.int().min(1).max(65_535);
const priority = z.int().min(0).max(1000).describe("The lower decides first.");

const conditions = z
  .object({
    conditions: z
      .array(
        z.object({
          type: z.string().min(1).max(316),
          status: z.enum(["True", "False", "Unknown"]),
          reason: z.string().min(1).max(1024),
          message: z.string().max(32_768),
          lastTransitionTime: z.string().meta({ format: "date-time" }),
          observedGeneration: z.int().min(0).optional(),
        }),
      )
      .optional()
      .meta({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"] })
      .describe("What those who carry out the policy make of it."),
  })
  .optional()
  .describe("What became of it.");

const rules = <T extends z.ZodType>(rule: T, max: number, what: string) =>
  z.array(rule).max(max).optional().describe(`${what}; the first that matches decides.`);

const v1alpha1 = (() => {
  const pods = selectedPods(labelSelector);
  const protocol = z.string().default("TCP").describe("TCP, UDP or SCTP.");
  const ports = list(
    z
      .object({
        portNumber: z.object({ protocol, port: portNumber }).optional(),
        portRange: z.object({ protocol, start: portNumber, end: portNumber }).optional(),
        namedPort: z.string().optional().describe("What the destination pod calls so."),
      })
      .meta(oneField),
    100,
  )
    .optional()
    .describe("Destination ports; without, all there is.");
  const subject = z.object({ namespaces, pods }).meta(oneField).describe("The pods that the policy is for.");
  const sources = list(z.object({ namespaces, pods }).meta(oneField), 100).describe("Where it comes from.");
  const rule = (actions: readonly [string, ...string[]]) => ({
    name: ruleName,
    action: z.enum(actions),
    ports,
  });
  const admin = rule(["Allow", "Deny", "Pass"]);
  const baseline = rule(["Allow", "Deny"]);
  const destinations = (more: object) =>
    list(z.object({ namespaces, pods, nodes, networks, ...more }).meta(oneField), 100).describe("Where it goes.");
  return {
    admin: z.object({
      spec: z.object({
        priority,
        subject,
        ingress: rules(z.object({ ...admin, from: sources }), 100, "Of what comes to the pods"),
        egress: rules(z.object({ ...admin, to: destinations({ domainNames }) }), 100, "Of what the pods begin"),
      }),
      status: conditions,
    }),
    baseline: z.object({
      spec: z.object({
        subject,
        ingress: rules(z.object({ ...baseline, from: sources }), 100, "Of what comes to the pods"),
        egress: rules(z.object({ ...baseline, to: destinations({}) }), 100, "Of what the pods begin"),
      }),
      status: conditions,
    }),
  };
})();

const v1alpha2 = (() => {
  const pods = selectedPods(labelSelector.optional());
  const destinationPort = z
    .object({
      number: portNumber.optional(),
      range: z.object({ start: portNumber, end: portNumber }).optional(),
    })
    .meta(oneField)
    .optional();
  const transport = z.object({ destinationPort }).meta({ minProperties: 1 }).optional();
  const protocols = list(
    z
      .object({
        ...{ tcp: transport, udp: transport, sctp: transport },
        destinationNamedPort: z.string().optional().describe("What the destination pod calls so."),
      })
      .meta(oneField),
    25,
  )
    .optional()
    .describe("Destination ports; without, all there is.");
  const rule = { name: ruleName, action: z.enum(["Accept", "Deny", "Pass"]), protocols };
  const from = list(z.object({ namespaces, pods }).meta(oneField), 25).describe("Where it comes from.");
  const to = list(z.object({ namespaces, pods, nodes, networks, domainNames }).meta(oneField), 25).describe(
    "Where it goes.",
  );
  return z.object({
    spec: z.object({
      tier: z.enum(["Admin", "Baseline"]).describe("Whether it decides before NetworkPolicies, or after them."),
      priority,
      subject: z.object({ namespaces, pods }).meta(oneField).describe("The pods that the policy is for."),
      ingress: rules(z.object({ ...rule, from }), 25, "Of what comes to the pods"),
      egress: rules(z.object({ ...rule, to }), 25, "Of what the pods begin"),
    }),
    status: conditions,
  });
})();

/** Definitions in groups of `k8s.io` have to say whether the Kubernetes project knows them. */
const annotations = { "api-approved.kubernetes.io": "unapproved, schema written by Ovenbird after network-policy-api" };
const age = { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" };
const accepted = { name: "Accepted", type: "string", jsonPath: '.status.conditions[?(@.type=="Accepted")].status' };
const priorityColumn = { name: "Priority", type: "integer", jsonPath: ".spec.priority" };

export function adminNetworkPolicyDefinition(): object {
  return customResourceDefinition({
    resource: adminNetworkPolicies,
    singular: "adminnetworkpolicy",
    shortNames: ["anp"],
    description: "What the cluster's administrator decides before the NetworkPolicies of namespaces.",
    schema: v1alpha1.admin,
    hasStatus: true,
    annotations,
    columns: [priorityColumn, accepted, age],
  });
}

export function baselineAdminNetworkPolicyDefinition(): object {
  return customResourceDefinition({
    resource: baselineAdminNetworkPolicies,
    singular: "baselineadminnetworkpolicy",
    shortNames: ["banp"],
    description:
      "What the cluster's administrator decides for pods that no NetworkPolicy isolates; its name is default.",
    schema: v1alpha1.baseline,
    hasStatus: true,
    annotations,
    columns: [accepted, age],
  });
}

export function clusterNetworkPolicyDefinition(): object {
  return customResourceDefinition({
    resource: clusterNetworkPolicies,
    singular: "clusternetworkpolicy",
    shortNames: ["cnp"],
    description: "What the cluster's administrator decides before the NetworkPolicies of namespaces, or after them.",
    schema: v1alpha2,
    hasStatus: true,
    annotations,
    columns: [{ name: "Tier", type: "string", jsonPath: ".spec.tier" }, priorityColumn, accepted, age],
  });
}
