import Table from "cli-table3";
import { addressesOf, readSandboxes } from "../kubelet/sandbox-store.ts";
import { connectLab } from "../lab.ts";
import { nodeFiles } from "../supervisor/plan.ts";

/** `lab status`. @returns the exit status: 0 when every process is ready */
export async function status({ name, json }: { readonly name: string; readonly json?: boolean }): Promise<number> {
  const lab = await connectLab({ name });
  const daemons = await lab.status();
  const pods = lab.layout.nodes.flatMap((node) =>
    readSandboxes(nodeFiles(node).sandboxes).map((sandbox) => ({
      pod: `${sandbox.pod.namespace}/${sandbox.pod.name}`,
      node: node.name,
      state: sandbox.state,
      addresses: addressesOf(sandbox),
      networkNamespace: sandbox.namespace,
    })),
  );
  const ok = daemons.every(({ state }) => state === "ready");
  if (json === true) {
    const nodes = lab.layout.nodes.map((node) => ({
      name: node.name,
      addresses: node.addresses,
      networkNamespace: node.namespace,
    }));
    process.stdout.write(
      `${JSON.stringify({ name, ok, folder: lab.folder, kubeconfig: lab.kubeconfig, daemons, nodes, pods })}\n`,
    );
    return ok ? 0 : 1;
  }
  const bare = { head: [], border: [], compact: true };
  const processes = new Table({ head: ["process", "state", "pid", "restarts", "problem"], style: bare });
  for (const { name: daemon, state, pid, restarts, problem } of daemons)
    processes.push([daemon, state, pid ?? "", restarts, state === "ready" ? "" : (problem ?? "")]);
  const sandboxes = new Table({ head: ["pod", "node", "state", "addresses"], style: bare });
  for (const { pod, node, state, addresses } of pods) sandboxes.push([pod, node, state, addresses.join(" ")]);
  process.stdout.write(
    `Lab ${name} in ${lab.folder}\nKUBECONFIG=${lab.kubeconfig}\n${processes.toString()}\n${sandboxes.toString()}\n`,
  );
  return ok ? 0 : 1;
}
