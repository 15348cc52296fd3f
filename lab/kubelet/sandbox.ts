import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { namespacePath, namespacePrefix } from "../topology/layout.ts";
import { run } from "../topology/run.ts";
import { type Attachment, add, type CniHost, del, loadNetworkList } from "./cni-runtime.ts";
import type { PodRecord } from "./pod.ts";
import { forgetSandbox, type Sandbox, saveSandbox } from "./sandbox-store.ts";

export interface SandboxContext {
  readonly labName: string;
  readonly cni: CniHost;
  /** Folder of the sandboxes' files. */
  readonly store: string;
}

const ifname = "eth0";

function attachmentOf({ containerId, namespace, pod }: Sandbox): Attachment {
  return { containerId, netns: namespacePath(namespace), ifname, pod };
}

/** Whether the sandbox's namespace still exists. */
export function isAlive(sandbox: Sandbox): boolean {
  return existsSync(namespacePath(sandbox.namespace));
}

/**
 * Makes a network namespace for the pod and attaches it by CNI ADD; remembered on disk before anything is made, so
 * that nothing is lost sight of.
 * @throws CniFailure, or Error when there is no network configuration; the sandbox is then to be removed by the caller
 */
export async function createSandbox(
  context: SandboxContext,
  pod: PodRecord,
  made: (sandbox: Sandbox) => void,
): Promise<Sandbox> {
  const containerId = randomBytes(32).toString("hex");
  const namespace = `${namespacePrefix(context.labName)}pod-${containerId.slice(0, 12)}`;
  const { namespace: podNamespace, name, uid } = pod;
  const sandbox: Sandbox = { containerId, namespace, pod: { namespace: podNamespace, name, uid }, state: "creating" };
  const list = loadNetworkList(context.cni.conf);
  if (list === undefined)
    throw new Error(`no network configuration in ${context.cni.conf}: cni plugin not initialized`);
  saveSandbox(context.store, sandbox);
  made(sandbox);
  await run(["ip", "netns", "add", namespace]);
  await run(["ip", "-n", namespace, "link", "set", "lo", "up"]);
  const ready: Sandbox = { ...sandbox, state: "ready", result: await add(context.cni, list, attachmentOf(sandbox)) };
  saveSandbox(context.store, ready);
  made(ready);
  return ready;
}

/** CNI DEL, then the namespace, then the memory of it; bears repetition. @throws CniFailure, and is then to be tried again */
export async function removeSandbox(context: SandboxContext, sandbox: Sandbox): Promise<void> {
  const list = loadNetworkList(context.cni.conf);
  if (list === undefined)
    throw new Error(`no network configuration in ${context.cni.conf}: can't detach ${sandbox.containerId}`);
  await del(context.cni, list, attachmentOf(sandbox), sandbox.result);
  if (isAlive(sandbox)) await run(["ip", "netns", "delete", sandbox.namespace]);
  forgetSandbox(context.store, sandbox);
}
