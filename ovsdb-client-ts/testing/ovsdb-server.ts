import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { makeCertificates, type TestCertificates } from "./certificates.ts";

const run = promisify(execFile);

export interface OvsdbServerOptions {
  /** An `.ovsschema` file, such as /usr/share/ovn/ovn-nb.ovsschema. */
  readonly schemaFile: string;
  /** Name of the database; by default the schema's own. */
  readonly database?: string;
  /** What the endpoint is (default "unix"). TCP and SSL listen on a free port of 127.0.0.1. */
  readonly listen?: "unix" | "tcp" | "ssl";
  /** Certificates for `listen: "ssl"`; by default made anew with openssl. */
  readonly tls?: TestCertificates;
}

/** A real ovsdb-server in a folder of its own under /tmp. */
export interface OvsdbServer {
  /** For `createClient`: the unix socket, or what `listen` asked for. */
  readonly endpoint: string;
  /** Always there, whatever `listen` is. */
  readonly unixEndpoint: string;
  readonly folder: string;
  readonly databaseFile: string;
  readonly pid: number;
  /** Present with `listen: "ssl"`. */
  readonly tls: TestCertificates | undefined;
  /** Runs `ovs-appctl` against this server and answers what it prints. */
  appctl(...args: readonly string[]): Promise<string>;
  /** kill -9; the files stay, so that `restart` goes on with them. */
  kill(): Promise<void>;
  /** SIGSTOP and SIGCONT. */
  pause(): void;
  resume(): void;
  /** Ends the process if it runs and starts it again on the same files and addresses. */
  restart(): Promise<void>;
  /** Ends the process and removes the folder. */
  stop(): Promise<void>;
}

export interface OvsdbCluster {
  readonly servers: readonly OvsdbServer[];
  /** Every server's endpoint. */
  readonly endpoints: readonly string[];
  /** Position of the present leader in `servers`, or undefined while there is none. */
  leader(): Promise<number | undefined>;
  stop(): Promise<void>;
}

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

async function schemaName(schemaFile: string): Promise<string> {
  const schema: unknown = JSON.parse(await readFile(schemaFile, "utf8"));
  if (typeof schema === "object" && schema !== null && "name" in schema && typeof schema.name === "string") {
    return schema.name;
  }
  throw new Error(`${schemaFile} is not a database schema`);
}

/** The server's process, and the port it chose where it was to choose one. */
async function launch(args: readonly string[]): Promise<{ child: ChildProcess; port: number | undefined }> {
  const child = spawn("ovsdb-server", args, { stdio: ["ignore", "ignore", "pipe"] });
  running.add(child);
  child.once("exit", () => running.delete(child));
  const said: string[] = [];
  let port: number | undefined;
  const ready = new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`ovsdb-server ended with ${code}: ${said.join("\n")}`)));
    createInterface({ input: child.stderr }).on("line", (line) => {
      if (said.length < 100) said.push(line);
      const listening = /listening on port (\d+)/.exec(line);
      if (listening) port = Number(listening[1]);
      // It says its version once all databases are open and all sockets listen.
      if (/ovsdb-server \(Open vSwitch\)/.test(line)) resolve();
    });
  });
  await ready;
  return { child, port };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill(signal);
  // A stopped process handles SIGTERM only once it goes on.
  child.kill("SIGCONT");
  await exited;
}

async function serve(folder: string, databaseFile: string, options: OvsdbServerOptions): Promise<OvsdbServer> {
  const socket = join(folder, "db.sock");
  const control = join(folder, "ctl.sock");
  const listen = options.listen ?? "unix";
  const tls = listen === "ssl" ? (options.tls ?? (await makeCertificates(folder))) : undefined;
  let port = 0;
  const args = (): string[] => [
    databaseFile,
    `--remote=punix:${socket}`,
    `--unixctl=${control}`,
    "--no-chdir",
    "-vconsole:info",
    "-vsyslog:off",
    "-vfile:off",
    ...(listen === "unix" ? [] : [`--remote=${listen === "ssl" ? "pssl" : "ptcp"}:${port}:127.0.0.1`]),
    ...(tls === undefined
      ? []
      : [`--private-key=${tls.files.serverKey}`, `--certificate=${tls.files.serverCert}`, `--ca-cert=${tls.files.ca}`]),
  ];
  let launched = await launch(args());
  port = launched.port ?? 0;
  return {
    endpoint: listen === "unix" ? `unix:${socket}` : `${listen}:127.0.0.1:${port}`,
    unixEndpoint: `unix:${socket}`,
    folder,
    databaseFile,
    tls,
    get pid() {
      return launched.child.pid ?? 0;
    },
    async appctl(...command) {
      const { stdout } = await run("ovs-appctl", ["-t", control, "-T", "10", ...command]);
      return stdout;
    },
    kill: () => end(launched.child, "SIGKILL"),
    pause: () => void launched.child.kill("SIGSTOP"),
    resume: () => void launched.child.kill("SIGCONT"),
    async restart() {
      await end(launched.child, "SIGTERM");
      launched = await launch(args());
    },
    async stop() {
      await end(launched.child, "SIGTERM");
      if (existsSync(folder)) await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Starts a standalone server on a fresh database. */
export async function startOvsdbServer(options: OvsdbServerOptions): Promise<OvsdbServer> {
  const folder = await mkdtemp("/tmp/ovsdb-");
  const databaseFile = join(folder, "database.db");
  await run("ovsdb-tool", ["create", databaseFile, options.schemaFile]);
  return serve(folder, databaseFile, options);
}

/** Starts a RAFT cluster (default three servers) on a fresh database and waits until all have joined. */
export async function startOvsdbCluster(
  options: OvsdbServerOptions & { readonly size?: number },
): Promise<OvsdbCluster> {
  const database = options.database ?? (await schemaName(options.schemaFile));
  const servers: OvsdbServer[] = [];
  let first: string | undefined;
  for (let index = 0; index < (options.size ?? 3); index++) {
    const folder = await mkdtemp(`/tmp/ovsdb-raft-${index}-`);
    const databaseFile = join(folder, "database.db");
    const address = `unix:${join(folder, "raft.sock")}`;
    await run(
      "ovsdb-tool",
      first === undefined
        ? ["create-cluster", databaseFile, options.schemaFile, address]
        : ["join-cluster", databaseFile, database, address, first],
    );
    first ??= address;
    const server = await serve(folder, databaseFile, options);
    servers.push(server);
    await run("ovsdb-client", ["-t", "30", "wait", server.unixEndpoint, database, "connected"]);
  }
  return {
    servers,
    endpoints: servers.map(({ endpoint }) => endpoint),
    async leader() {
      for (const [index, server] of servers.entries()) {
        const status = await server.appctl("cluster/status", database).catch(() => "");
        if (/^Role: leader$/m.test(status)) return index;
      }
      return undefined;
    },
    async stop() {
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}
