import { parseArgs } from "node:util";
import { serveControl } from "../control/server.ts";
import { createProber } from "../probe/index.ts";
import { outsidePort } from "../topology/host-ports.ts";
import { namespacePath } from "../topology/layout.ts";

/** The hosts outside the cluster, `NAME=NAMESPACE` each: probe servers on their port, and a prober for all of them. */
const { values } = parseArgs({
  options: { host: { type: "string", multiple: true }, control: { type: "string" } },
});
const { host = [], control } = values;
if (host.length === 0 || control === undefined) throw new Error("--host and --control are needed");

const prober = createProber();
const namespaces = new Map<string, string>();
for (const text of host) {
  const [name = "", namespace = ""] = text.split("=");
  namespaces.set(name, namespacePath(namespace));
  prober.serve({
    namespace: namespacePath(namespace),
    identity: name,
    ports: [
      { protocol: "tcp", port: outsidePort },
      { protocol: "udp", port: outsidePort },
      { protocol: "sctp", port: outsidePort },
    ],
  });
}
await serveControl({ socket: control, prober, namespaceOf: (from) => namespaces.get(from) });
