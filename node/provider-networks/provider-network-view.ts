import { type KubeObject, providerNetworkSpec } from "@ovenbird/kube";
import type { LabelSelector } from "./label-selector.ts";

/** What an agent says of itself in `status.nodes`. */
export interface NodeStatus {
  readonly ready: boolean;
  readonly interfaces?: readonly string[] | undefined;
  readonly message?: string | undefined;
}

/** A ProviderNetwork, as far as one node's agent looks at it. */
export interface ProviderNetworkView {
  readonly name: string;
  readonly nodeSelector: LabelSelector;
  /** Sets of interfaces, by name or hardware address, in the order of preference; each of one unless they are bonded. */
  readonly uplinks: readonly (readonly string[])[];
  readonly bondMode: "active-backup" | "balance-slb" | undefined;
  /** Why the specification can't be understood; nothing of it counts then. */
  readonly problem: string | undefined;
  /** What stands in the status of this node. */
  readonly status: NodeStatus | undefined;
}

/** Keeps what the agent of a node needs; to be given to `reflect`. */
export function projectProviderNetwork(raw: unknown, nodeName: string): ProviderNetworkView {
  const { metadata, spec, status } = raw as KubeObject & {
    readonly spec?: unknown;
    readonly status?: { readonly nodes?: Readonly<Record<string, NodeStatus>> };
  };
  const read = providerNetworkSpec.safeParse(spec);
  const { nodeSelector = {}, uplinks = [], bond } = read.data ?? {};
  return Object.freeze({
    name: metadata?.name ?? "",
    nodeSelector,
    uplinks: bond?.uplinks ?? uplinks.map((uplink) => [uplink]),
    bondMode: bond?.mode,
    problem: read.success ? undefined : (read.error.issues[0]?.message ?? "it can't be understood"),
    status: status?.nodes?.[nodeName],
  });
}
