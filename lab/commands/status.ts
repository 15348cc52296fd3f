import Table from "cli-table3";
import { z } from "zod";
import { addressesOf, readSandboxes } from "../kubelet/sandbox-store.ts";
import { connectLab, type Lab } from "../lab.ts";
import { nodeFiles } from "../supervisor/plan.ts";
import { type PodHealth, podHealth } from "../supervisor/pod-health.ts";

const apiTimeoutMs = 5000;
const listShape = z.object({ items: z.array(z.unknown()) });

/** What the API says of the lab's pods; of a cluster that is not the lab's own, only those on its nodes. */
async function podsOf(lab: Lab): Promise<{ readonly pods: readonly PodHealth[]; readonly problem?: string }> {
  // Slow to load, and most commands do without.
  const { createKubeClient, loadKubeConfig, pods } = await import("@ovenbird/kube");
  const own = lab.layout.config.kubeconfig === undefined;
  const client = createKubeClient(loadKubeConfig({ path: lab.kubeconfig }), { requestTimeoutMs: apiTimeoutMs });
  try {
    const { items } = listShape.parse(await client.list(pods, {}));
    const all = items.map((item) => podHealth(item, Date.now()));
    return { pods: all.filter(({ node }) => lab.nodes.includes(node) || own) };
  } catch (error) {
    const problem = `the API can't be asked for pods: ${error instanceof Error ? error.message : String(error)}`;
    return { pods: [], problem };
  } finally {
    await client.close();
  }
}

/** `lab status`. @returns the exit status: 0 when every process and every pod is well */
export async function status({ name, json }: { readonly name: string; readonly json?: boolean }): Promise<number> {
  const lab = await connectLab({ name });
  const daemons = await lab.status();
  const told = await podsOf(lab);
  const pods = merged(lab, told.pods, told.problem);
  const ok =
    told.problem === undefined &&
    daemons.every(({ state }) => state === "ready") &&
    pods.every(({ problem }) => problem === undefined);
  if (json === true) {
    const nodes = lab.layout.nodes.map((node) => ({
      name: node.name,
      addresses: node.addresses,
      networkNamespace: node.namespace,
    }));
    process.stdout.write(
      `${JSON.stringify({ name, ok, folder: lab.folder, kubeconfig: lab.kubeconfig, problem: told.problem, daemons, nodes, pods })}\n`,
    );
    return ok ? 0 : 1;
  }
  const bare = { head: [], border: [], compact: true };
  const processes = new Table({ head: ["process", "state", "pid", "restarts", "problem"], style: bare });
  for (const { name: daemon, state, pid, restarts, problem } of daemons)
    processes.push([daemon, state, pid ?? "", restarts, state === "ready" ? "" : (problem ?? "")]);
  const sandboxes = new Table({ head: ["pod", "node", "state", "addresses", "problem"], style: bare });
  for (const { pod, node, state, addresses, problem } of pods)
    sandboxes.push([pod, node, state, addresses.join(" "), problem ?? ""]);
  if (told.problem !== undefined) process.stderr.write(`lab: ${told.problem}\n`);
  process.stdout.write(
    `Lab ${name} in ${lab.folder}\nKUBECONFIG=${lab.kubeconfig}\n${processes.toString()}\n${sandboxes.toString()}\n`,
  );
  return ok ? 0 : 1;
}

interface PodLine {
  readonly pod: string;
  readonly node: string;
  readonly state: string;
  readonly problem: string | undefined;
  readonly addresses: readonly string[];
  readonly networkNamespace: string | undefined;
}

/** What the API knows, and the sandboxes that it does not: all of them while it does not answer. */
function merged(lab: Lab, told: readonly PodHealth[], apiProblem: string | undefined): readonly PodLine[] {
  const sandboxes = lab.layout.nodes.flatMap((node) =>
    readSandboxes(nodeFiles(node).sandboxes).map((sandbox) => ({
      pod: `${sandbox.pod.namespace}/${sandbox.pod.name}`,
      node: node.name,
      state: sandbox.state === "ready" ? "running" : "creating",
      problem: apiProblem === undefined ? "a sandbox of a pod that the API does not know" : undefined,
      addresses: addressesOf(sandbox),
      networkNamespace: sandbox.namespace,
    })),
  );
  const known = new Set(told.map(({ pod }) => pod));
  const namespaceOf = ({ pod, node, hostNetwork }: PodHealth) =>
    hostNetwork
      ? lab.layout.nodes.find(({ name }) => name === node)?.namespace
      : sandboxes.find((sandbox) => sandbox.pod === pod)?.networkNamespace;
  return [
    ...told.map((health) => {
      const { pod, node, state, problem, addresses } = health;
      return { pod, node, state, problem, addresses, networkNamespace: namespaceOf(health) };
    }),
    ...sandboxes.filter(({ pod }) => !known.has(pod)),
  ];
}
