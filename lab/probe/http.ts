import { request } from "node:http";
import { Socket } from "node:net";
import { openConnectingSocket, socketType } from "./libc.ts";

export interface HttpRequest {
  /** The network namespace to ask from, a path such as `/run/netns/NAME`. */
  readonly namespace: string;
  readonly to: string;
  readonly port: number;
  readonly path: string;
  readonly timeoutMs: number;
}

/** GET by HTTP/1.1. @returns the status of the answer. @throws Error in words when there is none in time */
export function getByHttp({ namespace, to, port, path, timeoutMs }: HttpRequest): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = new Socket({
      fd: openConnectingSocket(namespace, to, port, socketType.stream),
      readable: true,
      writable: true,
    });
    const timer = setTimeout(() => fail(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    const fail = (error: Error) => {
      clearTimeout(timer);
      socket.destroy();
      reject(error);
    };
    const call = request({ createConnection: () => socket, path, headers: { host: to, connection: "close" } });
    call.once("error", fail);
    call.once("response", (response) => {
      clearTimeout(timer);
      resolve(response.statusCode ?? 0);
      socket.destroy();
    });
    call.end();
  });
}
