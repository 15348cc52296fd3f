import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { OvsdbError } from "./errors.ts";
import type { TlsOptions } from "./options.ts";

/** Where a server listens, in OVS's notation (ovsdb(7), "Active OVSDB Connections"). */
export type Endpoint =
  | { readonly kind: "unix"; readonly text: string; readonly path: string }
  | { readonly kind: "tcp" | "ssl"; readonly text: string; readonly host: string; readonly port: number };

const inet = /^(tcp|ssl):(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/;
const defaultPort = 6640;

/** @throws OvsdbError INVALID_ARGUMENT */
export function parseEndpoint(text: string): Endpoint {
  if (text.startsWith("unix:") && text.length > 5) return { kind: "unix", text, path: text.slice(5) };
  const match = inet.exec(text);
  const host = match?.[2] ?? match?.[3];
  const port = match?.[4] === undefined ? defaultPort : Number(match[4]);
  if (match === null || host === undefined || port < 1 || port > 65_535) {
    throw new OvsdbError("INVALID_ARGUMENT", `${text} is no endpoint: unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT`);
  }
  return { kind: match[1] === "ssl" ? "ssl" : "tcp", text, host, port };
}

/** @throws OvsdbError INVALID_ARGUMENT */
export function parseEndpoints(endpoints: string | readonly string[]): readonly Endpoint[] {
  const texts = typeof endpoints === "string" ? endpoints.split(",") : endpoints;
  const parsed = texts.map((text) => text.trim()).filter((text) => text !== "");
  if (parsed.length === 0) throw new OvsdbError("INVALID_ARGUMENT", "There is no endpoint to connect to");
  return parsed.map(parseEndpoint);
}

function open(endpoint: Endpoint, tls: TlsOptions | undefined): { socket: Socket; event: "connect" | "secureConnect" } {
  if (endpoint.kind === "unix") return { socket: connectTcp(endpoint.path), event: "connect" };
  const address = { host: endpoint.host, port: endpoint.port, noDelay: true, keepAlive: true };
  if (endpoint.kind === "tcp") return { socket: connectTcp(address), event: "connect" };
  if (tls === undefined) throw new OvsdbError("INVALID_ARGUMENT", `${endpoint.text} needs the option tls`);
  const socket = connectTls({
    ...address,
    ca: tls.ca,
    cert: tls.cert,
    key: tls.key,
    minVersion: "TLSv1.2",
    // As all of OVS does: whoever holds a certificate of the authority is a server, whatever its name.
    checkServerIdentity: () => undefined,
  });
  return { socket, event: "secureConnect" };
}

/** Opens a connection; the handshake is done when it resolves. @throws OvsdbError CONNECT_FAILED, or the signal's reason */
export function dial(endpoint: Endpoint, tls: TlsOptions | undefined, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const { socket, event } = open(endpoint, tls);
    const settle = (): void => {
      socket.off(event, onOpen);
      socket.off("error", onError);
      signal.removeEventListener("abort", onAbort);
    };
    const onOpen = (): void => {
      settle();
      resolve(socket);
    };
    const onError = (cause: Error): void => {
      settle();
      socket.destroy();
      reject(new OvsdbError("CONNECT_FAILED", `${endpoint.text} can't be reached: ${cause.message}`, { cause }));
    };
    const onAbort = (): void => {
      settle();
      socket.on("error", () => socket.destroy());
      socket.destroy();
      reject(signal.reason);
    };
    socket.once(event, onOpen);
    socket.once("error", onError);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
