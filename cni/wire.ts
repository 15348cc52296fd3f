/**
 * What plugin and agent say to each other: one HTTP POST per CNI call over the agent's unix socket.
 * The plugin passes on what kubelet's runtime gave it; the agent answers with a CNI result or a CNI error, which the
 * plugin prints as it is.
 */

export type CniCommand = "ADD" | "DEL" | "CHECK" | "GC" | "STATUS" | "VERSION";

/** Where the agent listens for plugin calls on its socket. */
export const cniPath = "/cni";

/** Body of `POST /cni`: the environment of the CNI specification (section 2) and the network configuration. */
export interface CniRequest {
  readonly command: CniCommand;
  /** `CNI_CONTAINERID` */
  readonly containerId?: string;
  /** `CNI_NETNS`: a path of a network namespace */
  readonly netns?: string;
  /** `CNI_IFNAME` */
  readonly ifname?: string;
  /** `CNI_ARGS`: `KEY=value` pairs parted by `;` (`K8S_POD_NAMESPACE`, `K8S_POD_NAME`, `K8S_POD_UID`, …) */
  readonly args?: string;
  /** `CNI_PATH` */
  readonly path?: string;
  /** The network configuration from stdin, parsed. */
  readonly config: Readonly<Record<string, unknown>>;
}

/** A CNI error as the specification's section 5 has it; codes from 100 on are ours. */
export interface CniErrorBody {
  readonly cniVersion: string;
  readonly code: number;
  readonly msg: string;
  readonly details?: string;
}

/** The agent's answer: a result to print (ADD, or nothing) or an error. */
export type CniResponse =
  | { readonly result: Readonly<Record<string, unknown>> | undefined }
  | { readonly error: CniErrorBody };
