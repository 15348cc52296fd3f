import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { Command, CommanderError } from "commander";
import type { TlsOptions } from "ovsdb-client-ts";
import { parse as parseYaml } from "yaml";
import * as z from "zod";
import { ConfigError } from "./config-error.ts";
import { type NetworkConfig, parseNetworkConfig } from "./ipam/network-config.ts";
import { parseBindAddress } from "./serve/server.ts";

/** What the controller runs with, checked. */
export interface ControllerConfig {
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
  readonly northbound: readonly string[];
  readonly southbound: readonly string[];
  readonly tls: TlsOptions | undefined;
  readonly network: NetworkConfig;
  readonly bindAddress: string;
  readonly lease: { readonly namespace: string; readonly name: string };
  readonly identity: string;
  readonly logLevel: LogLevel;
}

export const logLevels = ["trace", "debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

interface Option {
  /** As commander writes it. */
  readonly flags: string;
  readonly description: string;
}

/** Every option, by its name in the configuration file; environment variables and flags follow from the name. */
const options = {
  kubeconfig: {
    flags: "--kubeconfig <file>",
    description: "kubeconfig (default: $KUBECONFIG, ~/.kube/config, in-cluster)",
  },
  context: { flags: "--context <name>", description: "context of the kubeconfig" },
  nb: {
    flags: "--nb <endpoints>",
    description: "OVN northbound: unix:/path, tcp:host:port or ssl:host:port, by commas (required)",
  },
  sb: { flags: "--sb <endpoints>", description: "OVN southbound, likewise (required)" },
  ca: { flags: "--ca <file>", description: "authority of the databases' certificates (PEM), for ssl:" },
  cert: { flags: "--cert <file>", description: "our certificate (PEM), for ssl:" },
  key: { flags: "--key <file>", description: "our private key (PEM), for ssl:" },
  clusterCidr: {
    flags: "--cluster-cidr <cidrs>",
    description: "the pods' networks (default 10.244.0.0/16,fd00:10:244::/48)",
  },
  nodePrefix: { flags: "--node-prefix <lengths>", description: "prefix length of a node's blocks (default 24,64)" },
  joinCidr: { flags: "--join-cidr <cidrs>", description: "networks between routers (default 100.64.0.0/16,fd98::/64)" },
  serviceCidr: {
    flags: "--service-cidr <cidrs>",
    description: "the services' networks, as the API server has them (default 10.96.0.0/16,fd00:10:96::/112)",
  },
  infrastructureCidr: {
    flags: "--infrastructure-cidr <cidrs>",
    description: "addresses of tenants' pods that are one of a kind (default 100.80.0.0/12,fd97::/64)",
  },
  nodePortRange: {
    flags: "--node-port-range <first-last>",
    description: "as the API server has it (default 30000-32767)",
  },
  mtu: { flags: "--mtu <bytes>", description: "the pods' MTU (default 1400)" },
  bindAddress: {
    flags: "--bind-address <host:port>",
    description: "for /healthz, /readyz, /metrics and questions about policies (default 127.0.0.1:9440)",
  },
  leaseNamespace: { flags: "--lease-namespace <name>", description: "where the Lease is (default kube-system)" },
  leaseName: { flags: "--lease-name <name>", description: "the Lease's name (default ovenbird-controller)" },
  identity: { flags: "--identity <name>", description: "our name in the Lease (default: host name and process id)" },
  logLevel: { flags: "--log-level <level>", description: `${logLevels.join(", ")} (default info)` },
} as const satisfies Readonly<Record<string, Option>>;

type OptionName = keyof typeof options;
const optionNames = Object.keys(options) as OptionName[];

const endpoint = z
  .string()
  .regex(
    /^(unix:.+|(tcp|ssl):(\[[0-9a-fA-F:.]+\]|[^:[\]]+):\d{1,5})$/,
    "is not unix:/path, tcp:host:port or ssl:host:port",
  );
const endpoints = z
  .union([z.string(), z.array(z.string())], "is missing")
  .transform((value) => (typeof value === "string" ? value.split(",") : value).map((part) => part.trim()))
  .pipe(z.array(endpoint).min(1));
const text = z.string().min(1);

const shape = z.strictObject({
  kubeconfig: text.optional(),
  context: text.optional(),
  nb: endpoints,
  sb: endpoints,
  ca: text.optional(),
  cert: text.optional(),
  key: text.optional(),
  // The network's own fields are judged together by parseNetworkConfig.
  clusterCidr: z.unknown().optional(),
  nodePrefix: z.unknown().optional(),
  joinCidr: z.unknown().optional(),
  serviceCidr: z.unknown().optional(),
  infrastructureCidr: z.unknown().optional(),
  nodePortRange: z.unknown().optional(),
  mtu: z.unknown().optional(),
  bindAddress: z
    .string()
    .refine((value) => parseBindAddress(value) !== undefined, "is not host:port")
    .default("127.0.0.1:9440"),
  leaseNamespace: text.default("kube-system"),
  leaseName: text.default("ovenbird-controller"),
  identity: text.default(() => `${hostname()}_${process.pid}`),
  logLevel: z.enum(logLevels).default("info"),
});

/** `OVENBIRD_CLUSTER_CIDR` for `clusterCidr`. */
export function environmentName(option: string): string {
  return `OVENBIRD_${option.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

export type ParsedArguments =
  | { readonly kind: "options"; readonly flags: Readonly<Record<string, unknown>> }
  /** `--help` or `--version`: to be printed, and no more. */
  | { readonly kind: "answer"; readonly text: string };

/**
 * Reads the command line.
 * @throws ConfigError CONFIG_INVALID for unknown options
 */
export function parseArguments(argv: readonly string[], version: string): ParsedArguments {
  const program = new Command("ovenbird-controller")
    .description("Turns Kubernetes objects into rows of the OVN northbound database.")
    .version(version)
    .option("--config <file>", "YAML or JSON file with these options by their names, such as clusterCidr")
    .allowExcessArguments(false)
    .exitOverride()
    .addHelpText("after", "\nEvery option can also be given as a variable, such as OVENBIRD_CLUSTER_CIDR.");
  for (const name of optionNames) program.option(options[name].flags, options[name].description);
  let answer = "";
  let complaint = "";
  program.configureOutput({
    writeOut: (output) => {
      answer += output;
    },
    writeErr: (output) => {
      complaint += output;
    },
  });
  try {
    program.parse([...argv], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { kind: "answer", text: answer };
    throw new ConfigError("CONFIG_INVALID", complaint.trim().replace(/^error: /, ""), { cause: error });
  }
  return { kind: "options", flags: program.opts() };
}

async function readText(path: string, what: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError("CONFIG_UNREADABLE", `${what} can't be read: ${reason}`, { cause: error });
  }
}

async function readConfigFile(path: string): Promise<Readonly<Record<string, unknown>>> {
  const content = await readText(path, "the configuration file");
  let value: unknown;
  try {
    value = parseYaml(content);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError("CONFIG_INVALID", `${path} is neither YAML nor JSON: ${reason}`, { cause: error });
  }
  if (value === null || value === undefined) return {};
  if (typeof value !== "object" || Array.isArray(value)) {
    throw new ConfigError("CONFIG_INVALID", `${path} does not hold options by name`);
  }
  return value as Readonly<Record<string, unknown>>;
}

function describeIssue({ path, message, code, ...rest }: z.core.$ZodIssue): string {
  if (code === "unrecognized_keys" && "keys" in rest) return `unknown: ${(rest.keys as string[]).join(", ")}`;
  const [name, ...inner] = path;
  const where = inner.length > 0 ? ` (${inner.join(".")})` : "";
  return `${String(name ?? "options")}${where}: ${message}`;
}

/**
 * Brings flags, environment and file together (the former win over the latter) and checks the whole.
 * @param flags what `parseArguments` gave
 * @throws ConfigError CONFIG_UNREADABLE or CONFIG_INVALID, with every problem in its message
 */
export async function loadConfig(
  flags: Readonly<Record<string, unknown>>,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<ControllerConfig> {
  const { config: flagFile, ...given } = flags;
  const file = flagFile ?? environment.OVENBIRD_CONFIG;
  const fromFile = typeof file === "string" && file !== "" ? await readConfigFile(file) : {};
  const fromEnvironment = Object.fromEntries(
    optionNames.flatMap((name) => {
      const value = environment[environmentName(name)];
      return value === undefined || value === "" ? [] : [[name, value]];
    }),
  );
  const parsed = shape.safeParse({ ...fromFile, ...fromEnvironment, ...given });
  const merged: Readonly<Record<string, unknown>> = { ...fromFile, ...fromEnvironment, ...given };
  const networkInput = Object.fromEntries(
    (
      [
        ["clusterCidr", merged.clusterCidr],
        ["nodePrefix", merged.nodePrefix],
        ["joinCidr", merged.joinCidr],
        ["serviceCidr", merged.serviceCidr],
        ["infrastructureCidr", merged.infrastructureCidr],
        ["nodePortRange", merged.nodePortRange],
        ["mtuBytes", merged.mtu],
      ] as const
    ).filter(([, value]) => value !== undefined),
  );
  const network = parseNetworkConfig(networkInput);
  const problems = [
    ...(parsed.success ? [] : parsed.error.issues.map(describeIssue)),
    ...(network.kind === "valid"
      ? []
      : network.problems.map(
          ({ code, field, message }) => `${field === "mtuBytes" ? "mtu" : field}: ${message} (${code})`,
        )),
  ];
  if (!parsed.success || network.kind !== "valid") throw new ConfigError("CONFIG_INVALID", problems.join("; "));
  const { nb, sb, ca, cert, key, ...rest } = parsed.data;
  const usesTls = [...nb, ...sb].some((value) => value.startsWith("ssl:"));
  if (usesTls && (ca === undefined || cert === undefined || key === undefined)) {
    throw new ConfigError("CONFIG_INVALID", "ssl: endpoints need ca, cert and key");
  }
  return {
    kubeconfig: rest.kubeconfig,
    context: rest.context,
    northbound: nb,
    southbound: sb,
    tls:
      usesTls && ca !== undefined && cert !== undefined && key !== undefined
        ? {
            ca: await readText(ca, "ca"),
            cert: await readText(cert, "cert"),
            key: await readText(key, "key"),
          }
        : undefined,
    network: network.network,
    bindAddress: rest.bindAddress,
    lease: { namespace: rest.leaseNamespace, name: rest.leaseName },
    identity: rest.identity,
    logLevel: rest.logLevel,
  };
}
