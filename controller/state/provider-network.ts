import { providerNetworkSpec } from "@ovenbird/kube";
import { objectAt, textAt } from "./raw-object.ts";
import { projectResource } from "./resource-record.ts";
import type { ResourceRecord } from "./selection.ts";

/** What the controller keeps of a ProviderNetwork; the rest of it is the agents'. */
export interface ProviderNetworkRecord extends ResourceRecord {
  /** Nodes whose agents have it in `ovn-bridge-mappings`, and what the others say instead. */
  readonly nodes: ReadonlyMap<string, { readonly ready: boolean; readonly message: string }>;
}

/** Projects a ProviderNetwork as the API gives it; never throws. */
export function projectProviderNetwork(raw: unknown): ProviderNetworkRecord {
  return projectResource(raw, providerNetworkSpec, (_spec, _complain, object) => ({
    nodes: new Map(
      Object.entries(objectAt(objectAt(object.status).nodes)).map(([node, said]) => {
        const { ready, message } = objectAt(said);
        return [node, { ready: ready === true, message: textAt(message) ?? "" }];
      }),
    ),
  }));
}
