import { readFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { parseArgs } from "node:util";

/**
 * Forwards connections to a unix socket or another address. A unix socket crosses network namespaces, so this is how
 * `kubectl` in the user's shell reaches the API in the lab's namespace.
 *
 *   forward --listen 127.0.0.1:PORT|unix:PATH … --to unix:PATH|HOST:PORT [--cert F --key F --client-ca F]
 *
 * With a certificate it is the end of TLS, and only clients that the authority has signed get through: any user of the
 * machine can reach a port of 127.0.0.1.
 */
const { values } = parseArgs({
  options: {
    listen: { type: "string", multiple: true },
    to: { type: "string" },
    cert: { type: "string" },
    key: { type: "string" },
    "client-ca": { type: "string" },
  },
});
const { listen: addresses, to, cert, key, "client-ca": clientCa } = values;
if (addresses === undefined || to === undefined) throw new Error("--listen and --to are needed");
if (new Set([cert, key, clientCa].map((file) => file === undefined)).size > 1)
  throw new Error("--cert, --key and --client-ca belong together");

function endpoint(text: string): { readonly path: string } | { readonly host: string; readonly port: number } {
  if (text.startsWith("unix:")) return { path: text.slice("unix:".length) };
  const at = text.lastIndexOf(":");
  return { host: text.slice(0, at).replace(/^\[|\]$/g, ""), port: Number(text.slice(at + 1)) };
}

const target = endpoint(to);
function forward(client: Socket): void {
  const server = connect({ ...target, allowHalfOpen: true });
  client.pipe(server).pipe(client);
  // One side's failure is the other side's end; there is nobody else to tell.
  client.on("error", () => server.destroy());
  server.on("error", () => client.destroy());
  client.on("close", () => server.destroy());
  server.on("close", () => client.destroy());
}

for (const address of addresses) {
  const server =
    cert === undefined || key === undefined || clientCa === undefined
      ? createServer({ allowHalfOpen: true }, forward)
      : createTlsServer(
          {
            cert: readFileSync(cert),
            key: readFileSync(key),
            ca: readFileSync(clientCa),
            requestCert: true,
            rejectUnauthorized: true,
            ALPNProtocols: ["http/1.1"],
          },
          forward,
        );
  server.listen(endpoint(address));
}
