import { isIP } from "node:net";
import type { PortBinding } from "../binding/index.ts";
import {
  hostDeviceName,
  infrastructurePrefixes,
  type PodInterfaceState,
  type PodLinks,
  type PodRoute,
  podRoutes,
} from "../links/index.ts";
import { canonicalPrefix } from "../netlink/index.ts";
import type { PodSource } from "../pods/index.ts";
import type { CheckCall } from "./call.ts";
import { agentErrorCodes, CniFailure, failureOf } from "./errors.ts";

interface CheckedParts {
  readonly binding: Pick<PortBinding, "find">;
  readonly links: Pick<PodLinks, "host" | "inspect">;
  readonly pods: Pick<PodSource, "get">;
}

/**
 * CHECK: compares what ADD made with what its result said, and with what no result shows: the port on the bridge, the
 * pair's other end, the controller's annotation.
 * @throws {CniFailure} 140 with the first difference; 130 when the namespace can't be looked into
 */
export function checkAttachment(call: CheckCall, { binding, links, pods }: CheckedParts): void {
  const hostDevice = hostDeviceName(call.containerId, call.ifname);
  const port = binding.find(hostDevice);
  if (port === undefined) throw differs(`the bridge has no port ${hostDevice} for this container`);
  if (port.error !== undefined) throw differs(`ovs-vswitchd can't use ${hostDevice}: ${port.error}`);
  const host = links.host(hostDevice);
  if (host === undefined) throw differs(`the device ${hostDevice} is gone`);
  if (!host.up) throw differs(`the device ${hostDevice} is down`);
  let state: ReturnType<PodLinks["inspect"]>;
  try {
    state = links.inspect(call.netns, call.ifname);
  } catch (error) {
    throw failureOf(error, `looking into ${call.netns}`);
  }
  if (state === undefined) throw differs(`${call.ifname} does not exist in ${call.netns}`);
  if (state.peerIndex !== host.index) throw differs(`${call.ifname} is not the other end of ${hostDevice}`);
  if (!state.up) throw differs(`${call.ifname} is down`);
  if (state.mac !== port.mac) throw differs(`${call.ifname} has the hardware address ${state.mac}, not ${port.mac}`);
  checkAgainstResult(call, state);
  const pod = pods.get(port.pod);
  if (pod !== undefined && pod.uid === port.podUid && pod.network.kind === "valid") {
    const network = pod.network.value;
    const missing = [...network.addresses, ...infrastructurePrefixes(network)].filter(
      (address) => !state.addresses.includes(canonicalPrefix(address)),
    );
    if (missing.length > 0) throw differs(`${call.ifname} lacks the pod's address ${missing.join(", ")}`);
    // A plugin after ours may have taken a route away: the result says so then.
    const unrouted = podRoutes(network).filter(
      (wanted) =>
        call.prevResult.routes.some(({ dst, gw }) => dst === wanted.destination && gw === wanted.gateway) &&
        !state.routes.some((route) => isSameRoute(route, wanted)),
    );
    if (unrouted.length > 0) throw differs(`${call.ifname} lacks the route ${unrouted.map(routeText).join(", ")}`);
    if (network.port !== port.logicalPort)
      throw differs(`${hostDevice} is bound to ${port.logicalPort}, not ${network.port}`);
  }
}

/** The kernel does not list the source of an IPv6 route in every version: there it is only compared where it does. */
function isSameRoute(present: PodRoute, wanted: PodRoute): boolean {
  return (
    canonicalPrefix(present.destination) === canonicalPrefix(wanted.destination) &&
    canonicalPrefix(present.gateway) === canonicalPrefix(wanted.gateway) &&
    (wanted.source === undefined ||
      (present.source === undefined
        ? wanted.source.includes(":")
        : canonicalPrefix(present.source) === canonicalPrefix(wanted.source)))
  );
}

const routeText = ({ destination, gateway, source }: PodRoute): string =>
  `to ${destination} by ${gateway}${source === undefined ? "" : ` from ${source}`}`;

/** Specification section 4, "CHECK": what prevResult has of our interface must still be there. */
function checkAgainstResult(
  { prevResult, netns, ifname }: CheckCall,
  { mac, addresses }: Pick<PodInterfaceState, "mac" | "addresses">,
): void {
  const index = prevResult.interfaces.findIndex(({ name, sandbox }) => name === ifname && sandbox === netns);
  const expected = prevResult.interfaces[index];
  if (expected === undefined) throw differs(`prevResult has no interface ${ifname} in ${netns}`);
  if (expected.mac !== undefined && expected.mac.toLowerCase() !== mac) {
    throw differs(`${ifname} has the hardware address ${mac}, prevResult ${expected.mac}`);
  }
  const missing = prevResult.ips.filter((ip) => ip.interface === index && !has(addresses, ip.address));
  if (missing.length > 0) throw differs(`${ifname} lacks ${missing.map(({ address }) => address).join(", ")}`);
}

/** prevResult went through the runtime's hands: what is no address there is one that is missing here. */
const has = (addresses: readonly string[], cidr: string): boolean =>
  isIP(cidr.split("/")[0] ?? "") !== 0 && addresses.includes(canonicalPrefix(cidr));

const differs = (message: string): CniFailure => new CniFailure(agentErrorCodes.checkFailed, message);
