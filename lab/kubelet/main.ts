import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { createKubeClient, loadKubeConfig } from "@ovenbird/kube";
import { pino } from "pino";
import { serveControl } from "../control/server.ts";
import { createProber } from "../probe/index.ts";
import { nodeFiles } from "../supervisor/plan.ts";
import { nodeIdentity, nodePort } from "../topology/host-ports.ts";
import { labConfig, layoutOf, namespacePath, paths, zoneOf } from "../topology/layout.ts";
import { startKubelet } from "./kubelet.ts";
import { podView } from "./pod-view.ts";

const { values } = parseArgs({ options: { lab: { type: "string" }, node: { type: "string" } } });
const { lab, node: nodeName } = values;
if (lab === undefined || nodeName === undefined) throw new Error("--lab and --node are needed");

const layout = layoutOf(labConfig.parse(JSON.parse(readFileSync(paths(lab).config, "utf8"))), lab);
const node = layout.nodes.find(({ name }) => name === nodeName);
if (node === undefined) throw new Error(`the lab has no node ${nodeName}`);

const logger = pino({ base: { node: node.name } });
const files = nodeFiles(node);
const namespace = namespacePath(node.namespace);
const prober = createProber();
prober.serve({
  namespace,
  identity: nodeIdentity(node.name),
  ports: [
    { protocol: "tcp", port: nodePort },
    { protocol: "udp", port: nodePort },
  ],
});
const kubelet = startKubelet({
  client: createKubeClient(loadKubeConfig({ path: files.kubeconfig }), { logger }),
  labName: layout.config.name,
  node: { name: node.name, addresses: node.addresses, zone: zoneOf(layout, node) },
  namespace,
  cni: {
    conf: files.cniConfFolder,
    bin: files.cniBinFolder,
    called(command, containerId, durationMs) {
      // STATUS comes every few seconds.
      if (command !== "STATUS") logger.info({ command, containerId, durationMs: Math.round(durationMs) }, "CNI call");
    },
  },
  sandboxFolder: files.sandboxes,
  logFolder: paths(lab).podLogs,
  prober,
  view: (podNamespace) => podView(layout, podNamespace),
  logger,
});
await serveControl({
  socket: paths(lab).controlSocket(node),
  prober,
  namespaceOf: (from) => (from === "host" ? namespace : kubelet.namespaceOf(from)),
});
logger.info("kubelet runs");
