import type { ResourceRecord } from "./selection.ts";

/** What the controller keeps of a ProviderNetwork; the rest of it is the agents'. */
export interface ProviderNetworkRecord extends ResourceRecord {
  /** Nodes whose agents have it in `ovn-bridge-mappings`, and what the others say instead. */
  readonly nodes: ReadonlyMap<string, { readonly ready: boolean; readonly message: string }>;
}
