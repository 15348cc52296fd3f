import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/*
 * A Kubernetes API of one Node and no pods, for tests of the agent: list and watch of nodes and pods, merge patch of the
 * Node. Run as a child process in the node's namespace; it says where it listens and what was patched, and takes
 * annotations to set, over the IPC channel.
 */

interface NodeObject {
  metadata: { name: string; uid: string; resourceVersion: string; annotations: Record<string, string> };
  status: { addresses: readonly { readonly type: string; readonly address: string }[] };
}

/** What the child says. */
export type FromApi =
  | { readonly kind: "listening"; readonly port: number }
  | { readonly kind: "patched"; readonly annotations: Readonly<Record<string, string>> };
/** What it is told. */
export interface ToApi {
  readonly annotations: Readonly<Record<string, string>>;
}

const [name = "node", internalIp = "127.0.0.1"] = process.argv.slice(2);
let version = 1;
const node: NodeObject = {
  metadata: { name, uid: "00000000-0000-4000-8000-000000000001", resourceVersion: "1", annotations: {} },
  status: { addresses: [{ type: "InternalIP", address: internalIp }] },
};
const watchers = new Set<ServerResponse>();

function annotate(annotations: Readonly<Record<string, string>>): void {
  version += 1;
  node.metadata.annotations = { ...node.metadata.annotations, ...annotations };
  node.metadata.resourceVersion = String(version);
  for (const watcher of watchers) watcher.write(`${JSON.stringify({ type: "MODIFIED", object: typed() })}\n`);
}

const typed = () => ({ apiVersion: "v1", kind: "Node", ...node });

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url ?? "/", "http://localhost");
  const isNodes = url.pathname === "/api/v1/nodes";
  const json = (body: unknown) =>
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
  if (request.method === "PATCH") {
    const patch = JSON.parse(await bodyOf(request)) as { metadata: { annotations: Record<string, string> } };
    annotate(patch.metadata.annotations);
    send({ kind: "patched", annotations: patch.metadata.annotations });
    return json(typed());
  }
  if (url.searchParams.get("watch")) {
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    if (isNodes) {
      if (Number(url.searchParams.get("resourceVersion")) < version) {
        response.write(`${JSON.stringify({ type: "MODIFIED", object: typed() })}\n`);
      }
      watchers.add(response);
      response.on("close", () => watchers.delete(response));
    }
    return;
  }
  json({
    apiVersion: "v1",
    kind: isNodes ? "NodeList" : "PodList",
    metadata: { resourceVersion: String(version) },
    items: isNodes ? [node] : [],
  });
});

function send(message: FromApi): void {
  process.send?.(message);
}

process.on("message", (message) => annotate((message as ToApi).annotations));
process.on("disconnect", () => process.exit(0));
server.listen(0, "127.0.0.1", () => send({ kind: "listening", port: (server.address() as AddressInfo).port }));
