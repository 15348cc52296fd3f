import { createHash } from "node:crypto";
import * as z from "zod";
import { customResourceDefinition } from "./custom-resource-definition.ts";
import type { Resource } from "./resource.ts";

/**
 * DomainName: the addresses of a domain name that policies give, as pods were told them by the cluster's DNS. Agents write
 * it, the controller reads it and removes it when it is of no more use. The schemas here are the only source;
 * `deploy/crds/domainnames.yaml` is generated from them.
 */
export const domainNames: Resource = Object.freeze({
  group: "ovenbird.io",
  version: "v1alpha1",
  plural: "domainnames",
  kind: "DomainName",
  namespaced: false,
});

/** Of one name; those that run out first make room for others. */
export const maxAddressesPerName = 128;

export const domainName = z.object({
  spec: z
    .object({
      name: z
        .string()
        .min(1)
        .max(253)
        .describe("The name that was asked for, in lower case, without the dot at the end and without wildcards."),
    })
    .describe("What it is about."),
  status: z
    .object({
      addresses: z
        .record(z.string(), z.string().meta({ format: "date-time" }))
        .optional()
        .describe("Until when each address may be reached by those whose policy gives the name."),
    })
    .optional()
    .describe("What agents saw in answers."),
});
export type DomainName = z.infer<typeof domainName>;

/** The CustomResourceDefinition, made of the schemas above. An object is written as a whole, so `status` is no subresource. */
export function domainNameDefinition(): object {
  return customResourceDefinition({
    resource: domainNames,
    singular: "domainname",
    description: "Addresses of a domain name that policies give, as the cluster's DNS told them to pods.",
    schema: domainName,
    hasStatus: false,
    columns: [
      { name: "Domain", type: "string", jsonPath: ".spec.name" },
      { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
    ],
  });
}

const objectName = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** How the object of a name is called: like it, or by its hash where Kubernetes takes no such name (`_a.example.com`). */
export function domainObjectName(name: string): string {
  // What could be somebody's hash is never a name of its own.
  if (objectName.test(name) && name.includes(".")) return name;
  return `name-${createHash("sha256").update(name).digest("hex").slice(0, 32)}`;
}

/** A domain name as policies give it: lower case, without the dot at the end; undefined when it is none. */
export function canonicalDomain(text: string): string | undefined {
  const name = text.toLowerCase().replace(/\.$/, "");
  return name.length <= 253 && /^(\*\.)?([a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}$/.test(name) ? name : undefined;
}

/**
 * All that a policy can give and mean this name by: the name itself, and a wildcard before each domain above it, which
 * stands for one label or more (policy.networking.k8s.io, DomainName). The most particular first.
 */
export function domainPatternsOf(name: string): readonly string[] {
  const patterns = [name];
  for (let dot = name.indexOf("."); dot >= 0; dot = name.indexOf(".", dot + 1)) patterns.push(`*${name.slice(dot)}`);
  return patterns;
}
