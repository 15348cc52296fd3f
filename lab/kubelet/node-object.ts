import os from "node:os";
import { isKubeError, type KubeClient, leases, nodes } from "@ovenbird/kube";

export interface NodeIdentity {
  readonly name: string;
  readonly addresses: readonly string[];
  /** Its label `topology.kubernetes.io/zone`. */
  readonly zone?: string | undefined;
}

/** Kubelet's default for `nodeStatusUpdateFrequency`, and for the renewal of its Lease. */
export const heartbeatMs = 10_000;
/** A network that is not ready tells nobody when it becomes so: the runtime is asked again this soon. */
export const unreadyHeartbeatMs = 1000;
const leaseNamespace = "kube-node-lease";

/** Registers the Node object unless it exists. */
export async function registerNode(client: KubeClient, node: NodeIdentity): Promise<void> {
  const labels = {
    "kubernetes.io/hostname": node.name,
    "kubernetes.io/os": "linux",
    "kubernetes.io/arch": os.arch() === "x64" ? "amd64" : os.arch(),
    "ovenbird.io/lab": "true",
    ...(node.zone === undefined ? {} : { "topology.kubernetes.io/zone": node.zone }),
  };
  try {
    await client.create(nodes, {}, { apiVersion: "v1", kind: "Node", metadata: { name: node.name, labels }, spec: {} });
  } catch (error) {
    if (!(isKubeError(error) && error.code === "ALREADY_EXISTS")) throw error;
  }
}

/** Writes the node's status as kubelet does; `problem` is why it is not ready, undefined when it is. */
export async function reportNode(
  client: KubeClient,
  node: NodeIdentity,
  problem: string | undefined,
  since: string,
): Promise<void> {
  const now = new Date().toISOString();
  const condition = (type: string, holds: boolean, reason: string, message: string) => ({
    type,
    status: holds ? "True" : "False",
    reason,
    message,
    lastHeartbeatTime: now,
    lastTransitionTime: since,
  });
  const resources = { cpu: String(os.cpus().length), memory: `${Math.floor(os.totalmem() / 1024)}Ki`, pods: "250" };
  const status = {
    addresses: [
      ...node.addresses.map((address) => ({ type: "InternalIP", address })),
      { type: "Hostname", address: node.name },
    ],
    capacity: resources,
    allocatable: resources,
    conditions: [
      condition("MemoryPressure", false, "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
      condition("DiskPressure", false, "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
      condition("PIDPressure", false, "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
      problem === undefined
        ? condition("Ready", true, "KubeletReady", "kubelet is posting ready status")
        : condition("Ready", false, "KubeletNotReady", problem),
    ],
    nodeInfo: {
      architecture: os.arch() === "x64" ? "amd64" : os.arch(),
      bootID: "",
      containerRuntimeVersion: "lab://1",
      kernelVersion: os.release(),
      kubeProxyVersion: "",
      kubeletVersion: "v1.33.0-lab",
      machineID: "",
      operatingSystem: "linux",
      osImage: "Ovenbird lab",
      systemUUID: "",
    },
  };
  await client.patch(nodes, { name: node.name }, { status }, { type: "merge", subresource: "status" });
}

/** Renews the node's Lease: the heartbeat that costs nothing to watch. */
export async function renewLease(client: KubeClient, node: NodeIdentity): Promise<void> {
  const target = { namespace: leaseNamespace, name: node.name };
  const spec = {
    holderIdentity: node.name,
    leaseDurationSeconds: 40,
    renewTime: new Date().toISOString().replace(/(\.\d{3})Z$/, "$1000Z"),
  };
  try {
    await client.patch(leases, target, { spec }, { type: "merge" });
  } catch (error) {
    if (!(isKubeError(error) && error.code === "NOT_FOUND")) throw error;
    const body = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: target, spec };
    await client.create(leases, { namespace: leaseNamespace }, body);
  }
}
