import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/*
 * A Kubernetes API of one Node, no pods, and Services and ProviderNetworks as it is told, for tests of the agent: list and
 * watch, merge patch of the Node and of a ProviderNetwork's status. Run as a child process in the node's namespace; it says where it listens and what was patched, and takes
 * annotations to set and Services to have, over the IPC channel.
 */

interface NodeObject {
  metadata: { name: string; uid: string; resourceVersion: string; annotations: Record<string, string> };
  status: { addresses: readonly { readonly type: string; readonly address: string }[] };
}

/** What the child says. */
export type FromApi =
  | { readonly kind: "listening"; readonly port: number }
  | { readonly kind: "patched"; readonly annotations: Readonly<Record<string, string>> }
  | { readonly kind: "status"; readonly network: string; readonly status: object | undefined };
/** What it is told. */
export type ToApi =
  | { readonly annotations: Readonly<Record<string, string>> }
  | { readonly service: { readonly name: string; readonly spec: object } }
  | { readonly providerNetwork: { readonly name: string; readonly spec: object | undefined } };

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

const services = new Map<string, object>();
const serviceWatchers = new Set<ServerResponse>();

function putService({ name, spec }: { readonly name: string; readonly spec: object }): void {
  version += 1;
  const metadata = { name, namespace: "default", uid: name, resourceVersion: String(version) };
  const object = { apiVersion: "v1", kind: "Service", metadata, spec };
  const type = services.has(name) ? "MODIFIED" : "ADDED";
  services.set(name, object);
  for (const watcher of serviceWatchers) watcher.write(`${JSON.stringify({ type, object })}\n`);
}

interface ProviderNetworkObject {
  readonly metadata: { readonly name: string; readonly uid: string; readonly resourceVersion: string };
  readonly spec: object;
  readonly status: { readonly nodes?: Readonly<Record<string, object>> };
}

const providerNetworksPath = "/apis/ovenbird.io/v1alpha1/providernetworks";
const providerNetworks = new Map<string, ProviderNetworkObject>();
const providerNetworkWatchers = new Set<ServerResponse>();

function putProviderNetwork(network: string, spec: object, status: ProviderNetworkObject["status"]): object {
  version += 1;
  const before = providerNetworks.get(network);
  const object = { metadata: { name: network, uid: network, resourceVersion: String(version) }, spec, status };
  providerNetworks.set(network, object);
  tellProviderNetwork(before === undefined ? "ADDED" : "MODIFIED", object);
  return object;
}

function deleteProviderNetwork(network: string): void {
  const object = providerNetworks.get(network);
  if (object === undefined) return;
  version += 1;
  providerNetworks.delete(network);
  tellProviderNetwork("DELETED", { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } });
}

function tellProviderNetwork(type: string, object: ProviderNetworkObject): void {
  const typed = { apiVersion: "ovenbird.io/v1alpha1", kind: "ProviderNetwork", ...object };
  for (const watcher of providerNetworkWatchers) watcher.write(`${JSON.stringify({ type, object: typed })}\n`);
}

/** A merge patch (RFC 7396) of what nodes say, at the depth at which agents send it. */
function patchStatus(network: string, nodes: Readonly<Record<string, object | null>>): object | undefined {
  const before = providerNetworks.get(network);
  if (before === undefined) return undefined;
  const merged: Record<string, object> = { ...before.status.nodes };
  for (const [key, said] of Object.entries(nodes)) {
    if (said === null) delete merged[key];
    else merged[key] = Object.fromEntries(Object.entries(said).filter(([, value]) => value !== null));
    send({ kind: "status", network, status: merged[key] });
  }
  return putProviderNetwork(network, before.spec, { nodes: merged });
}

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
  if (request.method === "PATCH" && url.pathname.startsWith(providerNetworksPath)) {
    const { status } = JSON.parse(await bodyOf(request)) as { status: { nodes: Record<string, object | null> } };
    const object = patchStatus(url.pathname.slice(providerNetworksPath.length + 1).split("/")[0] ?? "", status.nodes);
    if (object !== undefined) return json(object);
    return response.writeHead(404, { "content-type": "application/json" }).end("{}");
  }
  if (request.method === "PATCH") {
    const patch = JSON.parse(await bodyOf(request)) as { metadata: { annotations: Record<string, string> } };
    annotate(patch.metadata.annotations);
    send({ kind: "patched", annotations: patch.metadata.annotations });
    return json(typed());
  }
  if (url.searchParams.get("watch")) {
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    if (url.pathname === "/api/v1/services") {
      serviceWatchers.add(response);
      response.on("close", () => serviceWatchers.delete(response));
    }
    if (url.pathname === providerNetworksPath) {
      // What came between list and watch.
      if (Number(url.searchParams.get("resourceVersion")) < version) {
        for (const object of providerNetworks.values()) {
          response.write(`${JSON.stringify({ type: "MODIFIED", object })}\n`);
        }
      }
      providerNetworkWatchers.add(response);
      response.on("close", () => providerNetworkWatchers.delete(response));
    }
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
    items: isNodes ? [node] : (listed.get(url.pathname)?.() ?? []),
  });
});

const listed = new Map<string, () => readonly object[]>([
  ["/api/v1/services", () => [...services.values()]],
  [providerNetworksPath, () => [...providerNetworks.values()]],
]);

function send(message: FromApi): void {
  process.send?.(message);
}

process.on("message", (message) => {
  const told = message as ToApi;
  if ("annotations" in told) annotate(told.annotations);
  else if ("service" in told) putService(told.service);
  else if (told.providerNetwork.spec === undefined) deleteProviderNetwork(told.providerNetwork.name);
  else {
    const { name, spec } = told.providerNetwork;
    putProviderNetwork(name, spec, providerNetworks.get(name)?.status ?? {});
  }
});
process.on("disconnect", () => process.exit(0));
server.listen(0, "127.0.0.1", () => send({ kind: "listening", port: (server.address() as AddressInfo).port }));
