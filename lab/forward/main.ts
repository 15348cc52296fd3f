import { connect, createServer } from "node:net";
import { parseArgs } from "node:util";

/**
 * Forwards TCP connections to a unix socket or another address. A unix socket crosses network namespaces, so this is how
 * `kubectl` in the user's shell reaches the API in the lab's namespace.
 *
 *   forward --listen 127.0.0.1:PORT|unix:PATH … --to unix:PATH|HOST:PORT
 */
const { values } = parseArgs({ options: { listen: { type: "string", multiple: true }, to: { type: "string" } } });
if (values.listen === undefined || values.to === undefined) throw new Error("--listen and --to are needed");

function endpoint(text: string): { readonly path: string } | { readonly host: string; readonly port: number } {
  if (text.startsWith("unix:")) return { path: text.slice("unix:".length) };
  const at = text.lastIndexOf(":");
  return { host: text.slice(0, at).replace(/^\[|\]$/g, ""), port: Number(text.slice(at + 1)) };
}

const target = endpoint(values.to);
for (const listen of values.listen) {
  createServer({ allowHalfOpen: true }, (client) => {
    const server = connect({ ...target, allowHalfOpen: true });
    client.pipe(server).pipe(client);
    // One side's failure is the other side's end; there is nobody else to tell.
    client.on("error", () => server.destroy());
    server.on("error", () => client.destroy());
    client.on("close", () => server.destroy());
    server.on("close", () => client.destroy());
  }).listen(endpoint(listen));
}
