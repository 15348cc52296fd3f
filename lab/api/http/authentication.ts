import type { IncomingMessage } from "node:http";
import { TLSSocket } from "node:tls";

export interface User {
  readonly username: string;
  readonly groups: readonly string[];
}

/** The user of a request, undefined when it must be refused with 401. */
export type Authenticator = (request: IncomingMessage) => User | undefined;

const admin: User = { username: "system:admin", groups: ["system:masters", "system:authenticated"] };

/** Reads a token file as upstream's `--token-auth-file`: `token,user,uid,"group,…"` a line; a bare token is enough. */
export function parseTokenFile(text: string): ReadonlyMap<string, User> {
  const lines = text.split("\n").map((line) => line.trim());
  return new Map(
    lines
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => {
        const [token = "", username = "token-user", , groups = ""] = line.match(/"[^"]*"|[^,]+/g) ?? [];
        const names = groups
          .replaceAll('"', "")
          .split(",")
          .filter((name) => name !== "");
        return [token, { username, groups: [...names, "system:authenticated"] }];
      }),
  );
}

function userOf(socket: TLSSocket): User {
  const subject = socket.getPeerCertificate().subject as { CN?: unknown; O?: unknown } | undefined;
  const organizations = [subject?.O].flat().filter((name): name is string => typeof name === "string");
  const username = typeof subject?.CN === "string" ? subject.CN : "unknown";
  return { username, groups: [...organizations, "system:authenticated"] };
}

/**
 * Client certificates of the given CA, and bearer tokens. Without either, and on listeners that only this machine's
 * root reaches, everybody is the administrator: there is no authorization in the lab.
 */
export function createAuthenticator(options: {
  readonly clientCa: boolean;
  readonly tokens: ReadonlyMap<string, User> | undefined;
}): Authenticator {
  // Reading a certificate costs more than the rest of a small request.
  const bySocket = new WeakMap<TLSSocket, User>();
  return (request) => {
    const { authorization } = request.headers;
    if (authorization?.startsWith("Bearer ") === true && options.tokens !== undefined) {
      return options.tokens.get(authorization.slice(7).trim());
    }
    const { socket } = request;
    if (!(socket instanceof TLSSocket)) return admin;
    if (!options.clientCa && options.tokens === undefined) return admin;
    if (!options.clientCa || !socket.authorized) return undefined;
    const known = bySocket.get(socket);
    if (known !== undefined) return known;
    const user = userOf(socket);
    bySocket.set(socket, user);
    return user;
  };
}
