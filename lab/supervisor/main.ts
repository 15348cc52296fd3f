import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { pino } from "pino";
import { claim } from "../topology/claim.ts";
import { labConfig, layoutOf, paths } from "../topology/layout.ts";
import { labMarkVariable } from "./daemon.ts";
import { leaveCluster } from "./leave-cluster.ts";
import { createMilestones } from "./milestones.ts";
import { daemonsOf } from "./plan.ts";
import { type SupervisorEvent, supervisorRequest } from "./protocol.ts";
import { createSupervisor } from "./supervisor.ts";
import { labMark, nameTaken, otherLabOf, tearDown } from "./teardown.ts";

/**
 * The lab's init process. Who starts it holds its standard input: when that ends before the line `detach` came through
 * it, the lab goes with it. Says `listening` on standard output once its socket takes requests.
 */
const { values } = parseArgs({ options: { folder: { type: "string" } } });
const { folder } = values;
if (folder === undefined) throw new Error("--folder is needed");

const layout = layoutOf(labConfig.parse(JSON.parse(readFileSync(paths(folder).config, "utf8"))), folder);
const { name } = layout.config;
mkdirSync(paths(folder).logs, { recursive: true, mode: 0o700 });
const logger = pino(pino.destination({ dest: paths(folder).supervisorLog, sync: true }));

const supervisor = createSupervisor(layout, daemonsOf(layout), createMilestones(layout), logger);
let ending = false;
let reaper: ChildProcess | undefined;

await claimName(folder);
startReaper();
await listen(paths(folder).supervisorSocket);
watchLifeline();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => void end(signal));
process.on("uncaughtException", (error) => {
  logger.fatal({ err: error }, "an error that nobody handled");
  process.stderr.write(`${error.stack ?? error.message}\n`);
  void end("an error that nobody handled");
});
// Who started us may be gone when there is something to say.
process.stderr.on("error", () => undefined);
process.stdout.write("listening\n");

/**
 * One supervisor per name on a machine: an abstract socket (unix(7)) is free again the moment its owner is gone, however
 * it went. What such an owner has left behind keeps the name all the same.
 */
async function claimName(lab: string): Promise<void> {
  try {
    await lock(name);
    const other = otherLabOf(name, lab);
    if (other !== undefined) throw new Error(nameTaken(name, other));
    claim(name, lab);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  }
}

function lock(what: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", () => reject(new Error(`another supervisor runs for a lab named ${what}`)));
    server.listen(`\0ovenbird-lab:${what}`, () => resolve(server));
  });
}

function startReaper(): void {
  if (ending) return;
  const program = join(import.meta.dirname, "reaper.ts");
  reaper = spawn(process.execPath, [program, "--name", name, "--folder", layout.folder], {
    cwd: "/",
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
    env: { ...process.env, [labMarkVariable]: labMark(layout.folder) },
  });
  reaper.stdin?.on("error", () => undefined);
  reaper.once("exit", startReaper);
}

function watchLifeline(): void {
  let detached = false;
  createInterface({ input: process.stdin })
    .on("line", (line) => {
      if (line === "detach") detached = true;
    })
    .on("close", () => {
      if (!detached) void end("who started the lab has gone");
    });
}

async function end(why: string): Promise<void> {
  if (ending) return;
  ending = true;
  logger.info({ why }, "tearing the lab down");
  await leaveCluster(layout.folder).catch((error: unknown) => logger.warn({ err: error }, "the cluster can't be left"));
  supervisor.stop();
  try {
    await tearDown({ name, folder: layout.folder, spare: [process.pid] });
  } catch (error) {
    // Who waits for our end can't wait for ever; the next `up` or `down` takes away what is left.
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  }
  process.exit(0);
}

function listen(path: string): Promise<void> {
  rmSync(path, { force: true });
  const server = createServer((socket) => {
    // Who only looks whether we listen is gone at once.
    socket.on("error", () => socket.destroy());
    let text = "";
    socket.setEncoding("utf8").on("data", (chunk: string) => {
      const complete = text.includes("\n");
      text += chunk;
      if (!complete && text.includes("\n")) void answer(socket, text);
    });
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
}

async function answer(socket: Socket, line: string): Promise<void> {
  const send = (event: SupervisorEvent) => {
    if (socket.writable) socket.write(`${JSON.stringify(event)}\n`);
  };
  try {
    const request = supervisorRequest.parse(JSON.parse(line));
    if (request.verb === "up") await supervisor.up(send);
    else send({ kind: "status", daemons: supervisor.status() });
    send({ kind: "done" });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    logger.error({ err: error }, "request failed");
    send({ kind: "failed", message });
  }
  socket.end();
}
