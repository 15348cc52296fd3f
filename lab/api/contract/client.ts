import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { Agent, type RequestOptions, request } from "node:https";
import { parse } from "yaml";

/** A plain HTTPS client for the contract tests, which look at what is on the wire. */

export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: the tests look into answers of all shapes
  readonly body: any;
  readonly text: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

export interface WatchEvent {
  readonly type: string;
  // biome-ignore lint/suspicious/noExplicitAny: the tests look into objects of all kinds
  readonly object: any;
}

export interface ContractClient {
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** Begins a watch; `next` resolves with the next event, undefined when the server has ended it. */
  watch(
    path: string,
    headers?: Record<string, string>,
  ): Promise<{ status: number; next(): Promise<WatchEvent | undefined>; close(): void }>;
  kubectl(args: readonly string[], input?: string): Promise<{ code: number; stdout: string; stderr: string }>;
  close(): void;
}

function credential(data: unknown, file: unknown): string | undefined {
  if (typeof data === "string") return Buffer.from(data, "base64").toString();
  return typeof file === "string" ? readFileSync(file, "utf8") : undefined;
}

export function createContractClient(kubeconfig: string): ContractClient {
  const config = parse(readFileSync(kubeconfig, "utf8"));
  const { context } = config.contexts.find((one: { name: string }) => one.name === config["current-context"]);
  const { cluster } = config.clusters.find((one: { name: string }) => one.name === context.cluster);
  const { user } = config.users.find((one: { name: string }) => one.name === context.user);
  const server = new URL(cluster.server);
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const ca = credential(cluster["certificate-authority-data"], cluster["certificate-authority"]);
  const cert = credential(user["client-certificate-data"], user["client-certificate"]);
  const key = credential(user["client-key-data"], user["client-key"]);
  const base: RequestOptions = {
    host: server.hostname,
    port: server.port || 443,
    agent,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
  const authorization: Record<string, string> =
    typeof user.token === "string" ? { authorization: `Bearer ${user.token}` } : {};

  return {
    send(method, path, body, headers = {}) {
      const raw = body === undefined || typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body);
      const type: Record<string, string> =
        raw === undefined
          ? {}
          : { "content-type": "application/json", "content-length": String(Buffer.byteLength(raw)) };
      return new Promise((resolve, reject) => {
        const call = request(
          { ...base, method, path, headers: { ...authorization, ...type, ...headers } },
          (response) => {
            const chunks: Buffer[] = [];
            response.on("data", (chunk: Buffer) => chunks.push(chunk));
            response.on("error", reject);
            response.on("end", () => {
              const text = Buffer.concat(chunks).toString();
              const isJson = (response.headers["content-type"] ?? "").startsWith("application/json");
              resolve({
                status: response.statusCode ?? 0,
                text,
                body: isJson ? JSON.parse(text) : undefined,
                headers: response.headers,
              });
            });
          },
        );
        call.on("error", reject);
        call.end(raw);
      });
    },
    watch(path, headers = {}) {
      return new Promise((resolve, reject) => {
        const call = request({ ...base, path, agent: false, headers: { ...authorization, ...headers } }, (response) => {
          let rest = "";
          let ended = false;
          const events: WatchEvent[] = [];
          const waiting: ((event: WatchEvent | undefined) => void)[] = [];
          response.setEncoding("utf8");
          response.on("data", (chunk: string) => {
            const lines = (rest + chunk).split("\n");
            rest = lines.pop() ?? "";
            for (const line of lines) {
              const event = JSON.parse(line) as WatchEvent;
              const taker = waiting.shift();
              if (taker === undefined) events.push(event);
              else taker(event);
            }
          });
          const end = () => {
            ended = true;
            for (const taker of waiting.splice(0)) taker(undefined);
          };
          response.on("end", end);
          response.on("error", end);
          resolve({
            status: response.statusCode ?? 0,
            next: () => {
              const event = events.shift();
              if (event !== undefined || ended) return Promise.resolve(event);
              return new Promise((taker) => waiting.push(taker));
            },
            close: () => call.destroy(),
          });
        });
        call.on("error", reject);
        call.end();
      });
    },
    kubectl(args, input) {
      const env = { ...process.env, KUBECONFIG: kubeconfig };
      return new Promise((resolve) => {
        const child = execFile("kubectl", [...args], { env, timeout: 60_000 }, (error, stdout, stderr) => {
          resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr });
        });
        child.stdin?.end(input ?? "");
      });
    },
    close: () => agent.destroy(),
  };
}
