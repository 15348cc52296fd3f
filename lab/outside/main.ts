import { parseArgs } from "node:util";
import { serveControl } from "../control/server.ts";
import { createProber } from "../probe/index.ts";
import { outsideIdentity, outsidePort } from "../topology/host-ports.ts";
import { namespacePath } from "../topology/layout.ts";

/** The host outside the cluster: probe servers on its port, and a prober. */
const { values } = parseArgs({
  options: { namespace: { type: "string" }, control: { type: "string" } },
});
const { namespace, control } = values;
if (namespace === undefined || control === undefined) throw new Error("--namespace and --control are needed");

const prober = createProber();
prober.serve({
  namespace: namespacePath(namespace),
  identity: outsideIdentity,
  ports: [
    { protocol: "tcp", port: outsidePort },
    { protocol: "udp", port: outsidePort },
    { protocol: "sctp", port: outsidePort },
  ],
});
await serveControl({
  socket: control,
  prober,
  namespaceOf: (from) => (from === "host" ? namespacePath(namespace) : undefined),
});
