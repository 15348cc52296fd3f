import { egressIpSpec } from "@ovenbird/kube";
import { isAbsent } from "./raw-object.ts";
import { projectResource, readAddressPair, readSelector } from "./resource-record.ts";
import type { PodSelection, ResourceRecord } from "./selection.ts";
import { podSelector, type Requirement } from "./selector.ts";

/** What the controller keeps of an EgressIP: a group of pods leaves the cluster through its addresses. */
export interface EgressIpRecord extends ResourceRecord {
  /** At most one per family, IPv4 first. */
  readonly addresses: readonly string[];
  readonly pods: PodSelection;
  /** Nodes that may have the addresses; all with a gateway where empty. */
  readonly nodes: readonly Requirement[];
}

/** What no namespace is called, so that it selects nobody. */
const nowhere = podSelector({ namespace: "" });

/** Projects an EgressIP as the API gives it; never throws. */
export function projectEgressIp(raw: unknown): EgressIpRecord {
  return projectResource(raw, egressIpSpec, (spec, complain) => {
    const optional = (value: unknown, field: string) => (isAbsent(value) ? [] : readSelector(value, field, complain));
    const namespaceRequirements = readSelector(spec.namespaceSelector, "namespaceSelector", complain);
    const podRequirements = optional(spec.podSelector, "podSelector");
    const nodes = optional(spec.nodeSelector, "nodeSelector");
    const isReadable = namespaceRequirements !== undefined && podRequirements !== undefined && nodes !== undefined;
    return {
      addresses: readAddressPair(spec.addresses, "addresses", complain),
      pods: isReadable ? podSelector({ namespaceRequirements, podRequirements }) : nowhere,
      nodes: nodes ?? [],
    };
  });
}
