import { existsSync } from "node:fs";
import type { Resource } from "@ovenbird/kube";
import { layoutOf, paths } from "../topology/layout.ts";
import { demoNamespace, demoPodNames } from "./demo-pods.ts";
import { readConfig } from "./launch.ts";

/** Bound on the good manners at the end: the lab goes whether or not the cluster answers. */
const leaveTimeoutMs = 10_000;

/**
 * Takes the lab's nodes and demonstration pods out of a real cluster. The embedded API needs none of it: it goes as well.
 * @param folder the lab's state folder; nothing is done when there is no configuration in it
 */
export async function leaveCluster(folder: string): Promise<void> {
  const config = existsSync(paths(folder).config) ? readConfig(folder) : undefined;
  if (config?.kubeconfig === undefined) return;
  // Seldom needed and slow to load.
  const { createKubeClient, isKubeError, loadKubeConfig, nodes, pods } = await import("@ovenbird/kube");
  const client = createKubeClient(loadKubeConfig({ path: config.kubeconfig }), { requestTimeoutMs: leaveTimeoutMs });
  const remove = (resource: Resource, target: { readonly namespace?: string; readonly name: string }) =>
    client.delete(resource, target, { gracePeriodSeconds: 0 }).catch((error: unknown) => {
      if (!(isKubeError(error) && error.code === "NOT_FOUND")) throw error;
    });
  try {
    const layout = layoutOf(config, folder);
    if (config.demoPods)
      for (const name of demoPodNames(layout)) await remove(pods, { namespace: demoNamespace, name });
    for (const { name } of layout.nodes) await remove(nodes, { name });
  } finally {
    await client.close();
  }
}
