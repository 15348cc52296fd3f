import { readFile } from "node:fs/promises";
import { Command, InvalidArgumentError } from "commander";
import { pino } from "pino";
import { type Listen, readPem, startApiServer } from "./server.ts";

/** The lab's Kubernetes API as a process of its own. */

interface Flags {
  readonly state: string;
  readonly listen: readonly Listen[];
  readonly listenUnix: readonly string[];
  readonly cert?: string;
  readonly key?: string;
  readonly clientCa?: string;
  readonly tokenFile?: string;
  readonly serviceCidr?: string;
  readonly podLogDir?: string;
  readonly history: number;
  readonly bookmarkSeconds: number;
  readonly logLevel: string;
}

function parseListen(text: string, before: readonly Listen[]): readonly Listen[] {
  const parts = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const host = parts?.[1] ?? parts?.[2];
  if (parts === null || host === undefined || Number(parts[3]) > 65_535)
    throw new InvalidArgumentError("expected HOST:PORT");
  return [...before, { host, port: Number(parts[3]) }];
}

function parseCount(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError("expected a positive number");
  return Number(text);
}

const program = new Command("ovenbird-lab-api")
  .description("The lab's Kubernetes API: the real protocol, state in one SQLite file.")
  .requiredOption("--state <file>", "SQLite file that holds all objects")
  .option("--listen <host:port>", "listen here (repeatable)", parseListen, [])
  .option(
    "--listen-unix <path>",
    "plain HTTP on a unix socket of mode 0600 (repeatable)",
    (path: string, before: readonly string[]) => [...before, path],
    [],
  )
  .option("--cert <file>", "server certificate (PEM); without it plain HTTP on loopback only")
  .option("--key <file>", "its private key (PEM)")
  .option("--client-ca <file>", "authority of client certificates (PEM)")
  .option("--token-file <file>", 'bearer tokens: token,user,uid,"groups" a line')
  .option("--service-cidr <cidrs>", "networks of services, one per family, separated by a comma")
  .option("--pod-log-dir <folder>", "pods' logs are <folder>/<uid>.log")
  .option("--history <changes>", "changes remembered per kind for watches and paged lists", parseCount, 20_000)
  .option("--bookmark-seconds <seconds>", "interval of watch bookmarks", parseCount, 60)
  .option("--log-level <level>", "pino level", "info");

program.parse();
const flags = program.opts<Flags>();
const logger = pino({ level: flags.logLevel, name: "lab-api" }, pino.destination({ fd: 2, sync: true }));
if ((flags.cert === undefined) !== (flags.key === undefined)) program.error("--cert and --key belong together");
const listen: readonly Listen[] = [...flags.listen, ...flags.listenUnix.map((path) => ({ path }))];
if (listen.length === 0) program.error("nothing to listen on: give --listen or --listen-unix");

const { podLogDir } = flags;
const cert = readPem(flags.cert);
const key = readPem(flags.key);

const server = await startApiServer({
  stateFile: flags.state,
  listen,
  tls: cert === undefined || key === undefined ? undefined : { cert, key },
  clientCa: readPem(flags.clientCa),
  tokens: readPem(flags.tokenFile),
  serviceCidrs: flags.serviceCidr?.split(","),
  history: flags.history,
  bookmarkIntervalMs: flags.bookmarkSeconds * 1000,
  podLog:
    podLogDir === undefined
      ? undefined
      : async ({ uid }) => {
          try {
            return await readFile(`${podLogDir}/${uid}.log`, "utf8");
          } catch (error) {
            if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
            throw error;
          }
        },
  onReady: (addresses) => logger.info({ addresses }, "ready"),
  onFatal: (error) => {
    logger.fatal({ error }, "the state can't be written");
    process.exit(1);
  },
  log: (fields, message) => logger.error(fields, message),
}).catch((error: unknown) => {
  logger.fatal({ error: error instanceof Error ? error.message : String(error) }, "can't start");
  process.exit(1);
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, () => {
    logger.info({ signal }, "stopping");
    server.close().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.fatal({ error }, "can't stop in order");
        process.exit(1);
      },
    );
  });
}
