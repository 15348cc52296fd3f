import { existsSync } from "node:fs";
import { join } from "node:path";
import { createKubeClient, isKubeError, loadKubeConfig } from "@ovenbird/kube";
import { pino } from "pino";
import { startAgent } from "./agent.ts";
import { ConfigError, readAgentConfig } from "./config.ts";
import { createAgentConditions } from "./readiness.ts";

/*
 * The agent's composition root: everything that comes from outside is made here and handed down.
 *
 *     flags, OVENBIRD_*, file ─▶ config ─┐
 *     kubeconfig ─▶ Kubernetes API ──────┼─▶ agent ─▶ OVSDB, kernel, CNI socket, network configuration
 *     stdout ◀─ log ─────────────────────┤     │
 *     HTTP ◀─ health, metrics ◀──────────┴─────┘
 *
 * Exit status: 0 stopped by SIGTERM or SIGINT, 1 could not go on, 2 wrong configuration.
 */

/** Where the plugin is: in the bundle that `npm run build` makes, or in the repository once it is built. */
const builtPlugins = [["cni"], ["..", "dist", "cni"]].map((folders) =>
  join(import.meta.dirname, ...folders, "ovenbird"),
);
/** Calls under way may take as long as their own bounds; whoever stops us waits no longer than this. */
const stopTimeoutMs = 20_000;

/** The configuration with all that it names, or the end of the program: nothing is begun that can't be carried on. */
function readConfigOrExit() {
  try {
    const config = readAgentConfig(process.argv.slice(2), process.env);
    return { config, connection: loadKubeConfig({ path: config.kubeconfig }) };
  } catch (error) {
    if (error instanceof ConfigError && error.code === "HELP") process.exit(0);
    if (!(error instanceof ConfigError || isKubeError(error, "INVALID_CONFIG"))) throw error;
    process.stderr.write(`ovenbird-agent: ${error.message}\n${error instanceof ConfigError ? "Try --help.\n" : ""}`);
    process.exit(2);
  }
}

const { config, connection } = readConfigOrExit();
const logger = pino({ level: config.logLevel, base: { program: "agent", node: config.node } });
const stopping = new AbortController();

process.on("unhandledRejection", (error) => {
  logger.fatal({ err: error }, "an error that nobody handled");
  process.exit(1);
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, () => {
    logger.info({ signal }, "stopping");
    stopping.abort(new Error(`stopped by ${signal}`));
    setTimeout(() => {
      logger.error({ stopTimeoutMs }, "could not stop in time");
      process.exit(1);
    }, stopTimeoutMs).unref();
  });
}

async function main(): Promise<void> {
  const kube = createKubeClient(connection, { logger });
  // Loaded only when wanted: the metrics' packages are a tenth of the agent's memory.
  const serve = config.metricsBindAddress === undefined ? undefined : await import("./serve/index.ts");
  const metrics = serve?.createMetrics();
  const conditions = createAgentConditions();
  // From the start, so that it can be asked what the agent waits for.
  const server =
    serve && metrics && config.metricsBindAddress
      ? await serve.serveMetrics({ address: config.metricsBindAddress, metrics, conditions: conditions.list, logger })
      : undefined;
  const pluginPath = config.cniPlugin ?? builtPlugins.find((path) => existsSync(path));
  if (pluginPath === undefined)
    logger.warn(
      { cniBinDir: config.cniBinDir },
      "no plugin to install: build it with npm run build, or name it with --cni-plugin",
    );
  const agent = await startAgent({
    config,
    kube,
    logger,
    conditions,
    pluginPath,
    ...(metrics ? { metrics } : {}),
    signal: stopping.signal,
  });
  await new Promise<void>((resolve) => {
    if (stopping.signal.aborted) resolve();
    else stopping.signal.addEventListener("abort", () => resolve(), { once: true });
  });
  await server?.close();
  await agent.stop();
  await kube.close();
  logger.info({}, "stopped");
}

try {
  await main();
  process.exit(0);
} catch (error) {
  if (stopping.signal.aborted) process.exit(0);
  logger.fatal({ err: error }, "the agent can't go on");
  process.exit(1);
}
