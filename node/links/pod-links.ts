import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import {
  addAddress,
  createVeth,
  deleteLink,
  deleteLinkInBackground,
  disableTxOffload,
  getLink,
  guardDevice,
  isGone,
  type Link,
  listAddresses,
  listGuardedDevices,
  listLinks,
  listRoutes,
  type NetfilterSocket,
  NetlinkError,
  openNetfilterSocket,
  openRouteSocket,
  replaceRoute,
  setLink,
  setSysctl,
  unguardDevice,
} from "../netlink/index.ts";
import { infrastructurePrefixes, type PodRoute, podRoutes, type WantedPodRoute } from "./pod-routes.ts";
import { covers } from "./prefix.ts";

/** Until the pod's own MTU is known; the kernel's default for a veth. */
const initialMtuBytes = 1500;
const hostDevicePattern = /^ovb[0-9a-f]{12}$/;

/**
 * The host's end of a pod's interface, at most 15 characters (IFNAMSIZ): it follows from whose interface it is, so that
 * a DEL finds it without any record, and so does the clean-up after a crash.
 */
export function hostDeviceName(containerId: string, ifname: string): string {
  return `ovb${createHash("sha256").update(`${containerId}/${ifname}`).digest("hex").slice(0, 12)}`;
}

export interface PodInterface {
  readonly hostDevice: string;
  /** The pod's network namespace, as a path. */
  readonly netns: string;
  /** The interface's name in the pod. */
  readonly ifname: string;
}

export interface PodInterfaceSettings {
  /** Whose it is, for people who look at the host's links; the kernel takes 255 characters. */
  readonly alias: string;
  readonly mac: string;
  readonly mtuBytes: number;
  /** With prefix lengths. */
  readonly addresses: readonly string[];
  /** One per family at most. */
  readonly gateways: readonly string[];
  /** Further addresses, one of a kind in the cluster. */
  readonly infrastructure?: readonly string[] | undefined;
  /** Beside those to `gateways`, or, for a destination of length 0, instead. */
  readonly routes?: readonly WantedPodRoute[] | undefined;
}

/** What a pod's interface is like, for CHECK. */
export interface PodInterfaceState {
  readonly mac: string | undefined;
  readonly mtuBytes: number;
  readonly up: boolean;
  /** The other end's index among the host's devices, when it is a veth. */
  readonly peerIndex: number | undefined;
  /** Of global scope, with prefix lengths. */
  readonly addresses: readonly string[];
  /** Destination of each route through it that has a gateway. */
  readonly routes: readonly PodRoute[];
}

/** The pods' interfaces: veth pairs with one end on the host, for Open vSwitch, and one in the pod. */
export interface PodLinks {
  /**
   * Makes the pair, both ends down. The host's end has no IPv6 of its own, and is guarded from the host's stack.
   * @throws {NetlinkError} EEXIST the pod has such an interface, ENOENT or EINVAL the namespace is none
   */
  create(pod: PodInterface): void;
  /** Gives the pod's end its addresses and routes and takes both ends up. @throws {NetlinkError} */
  configure(pod: PodInterface, settings: PodInterfaceSettings): void;
  /** Removes both ends and the guard. @returns false when there was nothing. @throws {NetlinkError} */
  remove(hostDevice: string): Promise<boolean>;
  /** Whether a path is the namespace in which the hosts' ends live. False when there is none. */
  isHost(netns: string): boolean;
  /** The host's end, or undefined. */
  host(hostDevice: string): Link | undefined;
  /** The pod's end, or undefined. @throws {NetlinkError} ENOENT or EINVAL when the namespace is none */
  inspect(netns: string, ifname: string): PodInterfaceState | undefined;
  /** Names of all hosts' ends that exist, whoever left them. */
  hostDevices(): ReadonlySet<string>;
  /** Removes guards of devices that are gone: newer kernels keep them. */
  sweepGuards(): void;
  close(): void;
}

export interface PodLinksOptions {
  /**
   * What moves the packets. `netdev`: in userspace, where the host's stack must be kept off the devices and pods compute
   * their checksums themselves. `system`: in the kernel, where the guard would cut pods off.
   */
  readonly datapath: () => "netdev" | "system";
  /** Where the hosts' ends live; the own namespace when absent. */
  readonly namespace?: string;
}

export function createPodLinks(options: PodLinksOptions): PodLinks {
  const host = openRouteSocket(options.namespace);
  const filter = openNetfilterSocket(options.namespace);

  /** A guard's chain goes with its device on older kernels and outlives it on newer ones. */
  function unguard(hostDevice: string): void {
    if (options.datapath() === "netdev") unguardDevice(filter, hostDevice);
  }

  return {
    create({ hostDevice, netns, ifname }) {
      createVeth(
        host,
        { name: hostDevice, mtuBytes: initialMtuBytes },
        { name: ifname, mtuBytes: initialMtuBytes, namespace: netns },
      );
      try {
        // Otherwise its router solicitations and multicast reports would reach the pod.
        setIpv6Sysctl(hostDevice, "disable_ipv6", 1, options.namespace);
        if (options.datapath() === "netdev") guardDevice(filter, hostDevice);
      } catch (error) {
        deleteLink(host, hostDevice);
        unguard(hostDevice);
        throw error;
      }
    },

    configure({ hostDevice, netns, ifname }, settings) {
      const { alias, mac, mtuBytes } = settings;
      const addresses = [...settings.addresses, ...infrastructurePrefixes(settings)];
      setLink(host, hostDevice, { mtuBytes, alias: alias.slice(0, 255), up: true });
      using pod = openRouteSocket(netns);
      if (addresses.some((address) => address.includes(":"))) {
        setSysctl(`ipv6/conf/${ifname}/disable_ipv6`, 0, netns);
      }
      // The addresses are the allocator's: nothing to learn from the link, nobody to ask whether they are free.
      setIpv6Sysctl(ifname, "accept_ra", 0, netns);
      setIpv6Sysctl(ifname, "accept_dad", 0, netns);
      if (options.datapath() === "netdev") disableTxOffload(ifname, netns);
      setLink(pod, "lo", { up: true });
      setLink(pod, ifname, { mac, mtuBytes, up: true });
      for (const address of addresses) addAddress(pod, ifname, address, { noDad: true });
      for (const route of podRoutes(settings)) {
        replaceRoute(pod, {
          ...route,
          link: ifname,
          onLink: !addresses.some((address) => covers(address, route.gateway)),
        });
      }
    },

    async remove(hostDevice) {
      try {
        await deleteLinkInBackground(options.namespace, hostDevice);
        return true;
      } catch (error) {
        if (isGone(error)) return false;
        throw error;
      } finally {
        unguard(hostDevice);
      }
    },

    isHost(netns) {
      const own = statSync(options.namespace ?? "/proc/self/ns/net");
      const asked = statSync(netns, { throwIfNoEntry: false });
      return asked !== undefined && asked.dev === own.dev && asked.ino === own.ino;
    },

    host: (hostDevice) => getLink(host, hostDevice),

    inspect(netns, ifname) {
      using pod = openRouteSocket(netns);
      const link = getLink(pod, ifname);
      if (link === undefined) return undefined;
      return {
        mac: link.mac,
        mtuBytes: link.mtuBytes,
        up: link.up,
        peerIndex: link.peerIndex,
        addresses: listAddresses(pod, link.index)
          .filter(({ scope }) => scope === "global")
          .map(({ address }) => address),
        routes: listRoutes(pod)
          .filter((route) => route.linkIndex === link.index)
          .flatMap(({ destination, gateway, source }) =>
            gateway === undefined ? [] : [{ destination, gateway, ...(source === undefined ? {} : { source }) }],
          ),
      };
    },

    hostDevices: () =>
      new Set(
        listLinks(host)
          .filter((link) => link.kind === "veth" && hostDevicePattern.test(link.name))
          .map((link) => link.name),
      ),

    sweepGuards() {
      for (const device of guarded(filter)) {
        if (hostDevicePattern.test(device) && getLink(host, device) === undefined) unguardDevice(filter, device);
      }
    },

    close() {
      host.close();
      filter.close();
    },
  };
}

/** A kernel or namespace without IPv6 has no such setting, and nothing that it would have to be kept from. */
function setIpv6Sysctl(device: string, name: string, value: number, namespace: string | undefined): void {
  try {
    setSysctl(`ipv6/conf/${device}/${name}`, value, namespace);
  } catch (error) {
    if (!(error instanceof NetlinkError && error.code === "ENOENT")) throw error;
  }
}

/** A kernel without nf_tables has no guards. */
function guarded(filter: NetfilterSocket): readonly string[] {
  try {
    return listGuardedDevices(filter);
  } catch (error) {
    if (error instanceof NetlinkError) return [];
    throw error;
  }
}
