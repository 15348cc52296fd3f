import { writeFileSync } from "node:fs";
import { NetlinkError } from "./error.ts";
import { callLibc, closeDescriptor, openDescriptor, systemCode } from "./libc.ts";

const CLONE_NEWNET = 0x40000000;

/** Where this process lives; opened once, so that the way back can't fail for want of a path or a descriptor. */
let home: number | undefined;

/**
 * Runs a synchronous function inside another network namespace (setns(2)) and comes back, whatever happens.
 * Sockets opened by the function stay in that namespace for their whole life. It must not be asynchronous: everything
 * else this process does on its main thread would then happen in the pod's namespace.
 * @param path a namespace file (`/var/run/netns/x`, `/proc/123/ns/net`); undefined = stay where we are
 * @throws {NetlinkError} ENOENT no such file, EINVAL not a network namespace, EPERM not root
 */
export function inNamespace<T>(path: string | undefined, action: () => T extends Promise<unknown> ? never : T): T {
  if (path === undefined) return action();
  const descriptor = openDescriptor("open the network namespace", path);
  try {
    home ??= openDescriptor("open the own network namespace", "/proc/thread-self/ns/net");
    callLibc(`enter the network namespace ${path}`, "setns", descriptor, CLONE_NEWNET);
    try {
      return action();
    } finally {
      leave(home);
    }
  } finally {
    closeDescriptor(descriptor);
  }
}

/** A process that could not come back would go on to configure the pod's namespace as if it were the node's. */
function leave(descriptor: number): void {
  try {
    callLibc("return to the own network namespace", "setns", descriptor, CLONE_NEWNET);
  } catch (error) {
    process.stderr.write(`${String(error)}\n`);
    process.abort();
  }
}

/**
 * Writes one setting below `/proc/sys/net` of a namespace; `/proc/sys/net` shows the namespace of the thread that opens it.
 * @param name path below `/proc/sys/net`, such as `ipv6/conf/eth0/disable_ipv6`
 * @throws {NetlinkError} ENOENT the kernel lacks the setting (no IPv6, no such interface), EROFS read-only /proc/sys
 */
export function setSysctl(name: string, value: string | number, namespace?: string): void {
  inNamespace(namespace, () => {
    try {
      writeFileSync(`/proc/sys/net/${name}`, String(value));
    } catch (error) {
      throw new NetlinkError(`set net/${name} to ${value}`, systemCode(error));
    }
  });
}
