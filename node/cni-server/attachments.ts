import { performance } from "node:perf_hooks";
import type { PortBinding } from "../binding/index.ts";
import { hostDeviceName, type PodInterface, type PodLinks } from "../links/index.ts";
import type { Logger } from "../logger.ts";
import { NetlinkError } from "../netlink/index.ts";
import { isIncarnation, type NetworkedPod, PodRefused, type PodSource } from "../pods/index.ts";
import type { AddCall, CheckCall, DelCall, GcCall, PodReference } from "./call.ts";
import { checkAttachment } from "./check.ts";
import { agentErrorCodes, CniFailure, cniErrorCodes, failureOf } from "./errors.ts";
import { addResult } from "./result.ts";

/** How long each wait of a call may take, in ms; together less than the plugin waits for the agent. */
export interface CniTimeouts {
  /** For the pod's address from the controller. */
  readonly addressMs: number;
  /** For a transaction of the local Open vSwitch database. */
  readonly transactionMs: number;
  /** For the port's flows from ovn-controller. */
  readonly installedMs: number;
}

export const defaultTimeouts: CniTimeouts = { addressMs: 30_000, transactionMs: 10_000, installedMs: 30_000 };

export interface AttachmentsOptions {
  readonly binding: PortBinding;
  readonly pods: PodSource;
  readonly links: PodLinks;
  readonly logger: Logger;
  readonly timeouts?: Partial<CniTimeouts>;
}

/** Makes, removes and checks pods' interfaces; the caller sees to it that one container's calls come one at a time. */
export interface Attachments {
  /** @throws {CniFailure}; nothing is left of an ADD that fails or is aborted */
  add(call: AddCall, signal: AbortSignal): Promise<Readonly<Record<string, unknown>>>;
  /** Succeeds also for what is gone. @throws {CniFailure} 120 when the database can't be asked */
  remove(call: Pick<DelCall, "containerId" | "ifname">, signal: AbortSignal): Promise<void>;
  /** @throws {CniFailure} 140 with what differs */
  check(call: CheckCall): void;
  /** Removes what is not in the list of valid attachments. @param isBusy devices that a call works on just now */
  collect(call: GcCall, isBusy: (hostDevice: string) => boolean, signal: AbortSignal): Promise<void>;
}

export function createAttachments(options: AttachmentsOptions): Attachments {
  const { binding, pods, links, logger } = options;
  const timeouts = { ...defaultTimeouts, ...options.timeouts };

  async function add(call: AddCall, signal: AbortSignal): Promise<Readonly<Record<string, unknown>>> {
    const key = `${call.pod.namespace}/${call.pod.name}`;
    const target: PodInterface = {
      hostDevice: hostDeviceName(call.containerId, call.ifname),
      netns: call.netns,
      ifname: call.ifname,
    };
    refuseExisting(target);
    refuseSecond(call, key);
    const startedAt = performance.now();
    // The wait for the address begins before the links are made: usually it is there by then.
    const address = addressOf(call.pod, key, signal);
    // Its failure is met at the await below; until then it must not count as unhandled.
    address.catch(() => undefined);
    let attached = false;
    try {
      // Asked again for a pod that stays refused: no link comes and goes, since each makes vswitchd read the host's routes anew.
      if (pods.get(key)?.refusal !== undefined) await address;
      await makeLinks(target);
      const pod = await address;
      const network = pod.network.value;
      const addressAt = performance.now();
      const attaching = binding.attach(
        {
          hostDevice: target.hostDevice,
          logicalPort: network.port,
          mac: network.mac,
          pod: key,
          podUid: pod.uid,
          containerId: call.containerId,
          netns: call.netns,
          ifname: call.ifname,
        },
        { signal: AbortSignal.any([signal, AbortSignal.timeout(timeouts.transactionMs)]) },
      );
      attached = true;
      attaching.catch(() => undefined);
      // The request is on its way; the kernel's part is done while the database works.
      links.configure(target, { ...network, alias: key });
      const hostMac = links.host(target.hostDevice)?.mac;
      const older = await attaching;
      const attachedAt = performance.now();
      for (const port of older) if (port.hostDevice !== target.hostDevice) await links.remove(port.hostDevice);
      await flowsInstalled(target.hostDevice, key, signal);
      logger.info(
        {
          pod: key,
          containerId: call.containerId,
          addresses: network.addresses,
          addressMs: round(addressAt - startedAt),
          attachMs: round(attachedAt - addressAt),
          installedMs: round(performance.now() - attachedAt),
        },
        "pod attached",
      );
      return addResult(call, { hostDevice: target.hostDevice, hostMac, network });
    } catch (error) {
      await undo(target.hostDevice, attached);
      throw failureOf(signal.aborted ? signal.reason : error, `attaching ${key}`);
    }
  }

  function refuseExisting(target: PodInterface): void {
    let existing: unknown;
    try {
      // A pod's default route there would cut the node off from everything.
      if (links.isHost(target.netns)) {
        throw new CniFailure(cniErrorCodes.invalidEnvironment, `CNI_NETNS ${target.netns} is the node's own namespace`);
      }
      existing = links.inspect(target.netns, target.ifname);
    } catch (error) {
      if (error instanceof NetlinkError && ["ENOENT", "EINVAL", "ENOTDIR"].includes(error.code)) {
        const what = error.code === "EINVAL" ? "is not a network namespace" : "does not exist";
        throw new CniFailure(cniErrorCodes.unknownContainer, `the network namespace ${target.netns} ${what}`);
      }
      throw failureOf(error, `looking into the network namespace ${target.netns}`);
    }
    if (existing !== undefined) {
      throw new CniFailure(agentErrorCodes.interfaceExists, `${target.ifname} exists already in ${target.netns}`);
    }
  }

  /** A pod has one port: a second interface would take it from the first. A new sandbox of the pod may. */
  function refuseSecond({ containerId, ifname }: AddCall, key: string): void {
    const first = binding.list().find((port) => port.containerId === containerId && port.ifname !== ifname);
    if (first === undefined) return;
    throw new CniFailure(
      agentErrorCodes.interfaceExists,
      `${key} is attached already, as ${first.ifname}: a pod has one interface on this network`,
    );
  }

  async function makeLinks(target: PodInterface): Promise<void> {
    // The namespace has no such interface, so a host's end of that name is the rest of a call that was cut off.
    if (links.host(target.hostDevice) !== undefined) await links.remove(target.hostDevice);
    links.create(target);
  }

  async function addressOf(pod: PodReference, key: string, signal: AbortSignal): Promise<NetworkedPod> {
    const timeout = AbortSignal.timeout(timeouts.addressMs);
    try {
      return await pods.waitFor(key, pod.uid, AbortSignal.any([signal, timeout]));
    } catch (error) {
      if (error instanceof PodRefused) throw new CniFailure(agentErrorCodes.refused, error.message, error.code);
      if (signal.aborted || !timeout.aborted) throw error;
      throw missingAddress(pod, key);
    }
  }

  /** Says what the agent has seen of the pod, and so whose turn it is. */
  function missingAddress(pod: PodReference, key: string): CniFailure {
    const within = `within ${timeouts.addressMs / 1000} s`;
    const seen = pods.get(key);
    if (seen === undefined || !isIncarnation(seen, pod.uid)) {
      return new CniFailure(
        agentErrorCodes.podUnknown,
        `the Kubernetes API told of no pod ${key}${pod.uid === undefined ? "" : ` with uid ${pod.uid}`} on this node ${within}`,
        pods.isSynced
          ? "is the pod deleted, or bound to another node?"
          : "the agent has no list of its pods yet: can it reach the API?",
      );
    }
    if (seen.network.kind === "invalid") {
      return new CniFailure(
        agentErrorCodes.invalidAnnotation,
        `the annotation ovenbird.io/network of ${key} can't be understood`,
        seen.network.reason,
      );
    }
    return new CniFailure(
      agentErrorCodes.noAddress,
      `no address from the controller for ${key} ${within}: is the controller running?`,
      `see kubectl -n ${pod.namespace} describe pod ${pod.name}`,
    );
  }

  async function flowsInstalled(hostDevice: string, key: string, signal: AbortSignal): Promise<void> {
    const timeout = AbortSignal.timeout(timeouts.installedMs);
    try {
      await binding.installed(hostDevice, AbortSignal.any([signal, timeout]));
    } catch (error) {
      if (signal.aborted || !timeout.aborted) throw error;
      if (binding.find(hostDevice)?.plugged === false) {
        throw new CniFailure(
          agentErrorCodes.deviceRefused,
          `ovs-vswitchd did not open the device of ${key} within ${timeouts.installedMs / 1000} s: is it running?`,
          `see ovs-vsctl list Interface ${hostDevice}`,
        );
      }
      throw new CniFailure(
        agentErrorCodes.notInstalled,
        `ovn-controller did not install the flows of ${key} within ${timeouts.installedMs / 1000} s: is it running, and is the southbound database reachable?`,
        `see ovs-vsctl list Interface ${hostDevice}, and ovn-sbctl find Port_Binding for its iface-id`,
      );
    }
  }

  async function undo(hostDevice: string, attached: boolean): Promise<void> {
    if (attached) {
      try {
        await binding.detach([hostDevice], { signal: AbortSignal.timeout(timeouts.transactionMs) });
      } catch (error) {
        logger.warn({ hostDevice, err: error }, "a failed ADD's port could not be removed yet");
      }
    }
    try {
      await links.remove(hostDevice);
    } catch (error) {
      logger.warn({ hostDevice, err: error }, "a failed ADD's links could not be removed yet");
    }
  }

  async function remove(id: Pick<DelCall, "containerId" | "ifname">, signal: AbortSignal): Promise<void> {
    const hostDevice = hostDeviceName(id.containerId, id.ifname);
    const doing = `detaching ${id.ifname} of container ${id.containerId}`;
    const pod = binding.find(hostDevice)?.pod;
    try {
      await binding.detach([hostDevice], {
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeouts.transactionMs)]),
      });
      const existed = await links.remove(hostDevice);
      if (existed || pod !== undefined) logger.info({ pod, containerId: id.containerId }, "pod detached");
    } catch (error) {
      throw failureOf(error, doing);
    }
  }

  async function collect(call: GcCall, isBusy: (hostDevice: string) => boolean, signal: AbortSignal): Promise<void> {
    const valid = new Set(call.validAttachments.map((id) => hostDeviceName(id.containerId, id.ifname)));
    const ports = binding.list().map((port) => port.hostDevice);
    const stale = [...new Set([...ports, ...links.hostDevices()])].filter(
      (device) => !valid.has(device) && !isBusy(device),
    );
    const failures: string[] = [];
    try {
      await binding.detach(stale, { signal: AbortSignal.any([signal, AbortSignal.timeout(timeouts.transactionMs)]) });
    } catch (error) {
      failures.push(failureOf(error, "removing ports").message);
    }
    for (const device of stale) {
      try {
        await links.remove(device);
      } catch (error) {
        failures.push(failureOf(error, `removing ${device}`).message);
      }
    }
    if (stale.length > 0) logger.info({ devices: stale }, "interfaces without a valid attachment removed");
    if (failures.length > 0) {
      throw new CniFailure(
        cniErrorCodes.inputOutput,
        "not all stale attachments could be removed",
        failures.join("; "),
      );
    }
  }

  return { add, remove, check: (call) => checkAttachment(call, options), collect };
}

const round = (ms: number): number => Math.round(ms * 10) / 10;
