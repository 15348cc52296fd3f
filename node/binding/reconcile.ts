import { statSync } from "node:fs";
import type { PodLinks } from "../links/index.ts";
import type { Logger } from "../logger.ts";
import type { PodSource } from "../pods/index.ts";
import type { BoundPort } from "./pod-port.ts";
import type { PortBinding } from "./port-binding.ts";

export type Leftover =
  | {
      readonly kind: "port";
      readonly port: BoundPort;
      readonly reason: "pod is gone" | "namespace is gone" | "device is gone";
    }
  | { readonly kind: "device"; readonly hostDevice: string };

/**
 * What is left of pods that are no more, and of calls that were cut off half-way. Ports of running pods are not touched,
 * and neither is anything that is not ours.
 * @param pods must be synced: a pod that is not in it does not exist on this node
 */
export function findLeftovers(
  binding: Pick<PortBinding, "list">,
  links: Pick<PodLinks, "hostDevices">,
  pods: Pick<PodSource, "get">,
  namespaceExists: (path: string) => boolean = isThere,
): readonly Leftover[] {
  const devices = links.hostDevices();
  const ports = binding.list();
  const leftovers: Leftover[] = [];
  const kept = new Set<string>();
  for (const port of ports) {
    const pod = pods.get(port.pod);
    if (pod === undefined || pod.uid !== port.podUid) leftovers.push({ kind: "port", port, reason: "pod is gone" });
    else if (!namespaceExists(port.netns)) leftovers.push({ kind: "port", port, reason: "namespace is gone" });
    else if (!devices.has(port.hostDevice)) leftovers.push({ kind: "port", port, reason: "device is gone" });
    else kept.add(port.hostDevice);
  }
  for (const hostDevice of devices) {
    if (!kept.has(hostDevice) && !ports.some((port) => port.hostDevice === hostDevice)) {
      leftovers.push({ kind: "device", hostDevice });
    }
  }
  return leftovers;
}

/**
 * Removes all leftovers; run at the agent's start, before it takes CNI calls.
 * @throws OvsdbError; NetlinkError
 */
export async function removeLeftovers(options: {
  readonly binding: PortBinding;
  readonly links: PodLinks;
  readonly pods: PodSource;
  readonly logger: Logger;
  readonly signal?: AbortSignal;
}): Promise<readonly Leftover[]> {
  const { binding, links, pods, logger, signal } = options;
  await pods.synced(signal);
  const leftovers = findLeftovers(binding, links, pods);
  const devices = leftovers.map((leftover) =>
    leftover.kind === "port" ? leftover.port.hostDevice : leftover.hostDevice,
  );
  for (const leftover of leftovers) {
    if (leftover.kind === "port") {
      const { pod, hostDevice, containerId } = leftover.port;
      logger.info({ pod, hostDevice, containerId, reason: leftover.reason }, "removing the port of a former pod");
    } else logger.info({ hostDevice: leftover.hostDevice }, "removing the device of an unfinished ADD");
  }
  await binding.detach(devices, signal === undefined ? {} : { signal });
  for (const device of devices) await links.remove(device);
  links.sweepGuards();
  return leftovers;
}

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}
