import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { isIP } from "node:net";
import { Command, CommanderError, Option } from "commander";
import { parse as parseYaml, YAMLError } from "yaml";
import * as z from "zod";

const absolutePath = z.string().regex(/^\//, "must be an absolute path");
/** A name that the kernel takes for a network interface: 1 to 15 bytes. */
const interfaceName = z.string().regex(/^(?!\.{1,2}$)[^\s/:]{1,15}$/, "is no name for a network interface");
const ovsdbEndpoint = /^(unix:\/.+|(tcp|ssl):.+:\d+)$/;

function isAddressOrNetwork(text: string): boolean {
  const [address = "", length, ...rest] = text.split("/");
  const bits = isIP(address) === 6 ? 128 : 32;
  if (isIP(address) === 0 || rest.length > 0) return false;
  return length === undefined || (/^\d{1,3}$/.test(length) && Number(length) <= bits);
}

/** Longest path of a unix socket (unix(7)). */
const socketPathBytes = 107;

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    // Whatever the reason is, the runtime could not run it either.
    return false;
  }
}

/** The agent's configuration: what it says on each option is what `--help` prints. */
export const agentConfig = z.strictObject({
  kubeconfig: z
    .string()
    .optional()
    .describe("kubeconfig file; else $KUBECONFIG, ~/.kube/config or the pod's service account"),
  node: z
    .string()
    .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, "is no name of a Kubernetes node")
    .describe("name of this node in Kubernetes"),
  ovsDb: z
    .string()
    .regex(ovsdbEndpoint, "must be unix:/path or tcp:host:port")
    .default("unix:/run/openvswitch/db.sock")
    .describe("endpoint of the local Open_vSwitch database"),
  ovsRundir: absolutePath.default("/run/openvswitch").describe("folder of ovs-vswitchd's sockets"),
  cniSocket: absolutePath
    .refine((path) => Buffer.byteLength(path) <= socketPathBytes, `is longer than ${socketPathBytes} bytes`)
    .default("/run/ovenbird/cni.sock")
    .describe("unix socket on which the CNI plugin is answered"),
  cniConfDir: absolutePath.default("/etc/cni/net.d").describe("folder of the runtime's network configurations"),
  cniBinDir: absolutePath.default("/opt/cni/bin").describe("folder of the runtime's CNI plugins"),
  cniPlugin: absolutePath
    .refine(isExecutable, "is no executable file")
    .optional()
    .describe("plugin executable to install into --cni-bin-dir; else the one bundled, if any"),
  ovnRemote: z
    .string()
    .refine((text) => text.split(",").every((item) => ovsdbEndpoint.test(item)), "must be endpoints, parted by commas")
    .optional()
    .describe("endpoints of the southbound database; else what Open_vSwitch has stays"),
  encapIp: z
    .string()
    .refine(
      (text) => text.split(",").every(isAddressOrNetwork),
      "must be IP addresses, or networks that the node has addresses in, parted by commas",
    )
    .optional()
    .describe("addresses for tunnels, or networks; else what Open_vSwitch has, else the Node's InternalIP"),
  encapType: z
    .string()
    .regex(/^(geneve|vxlan|stt)(,(geneve|vxlan|stt))*$/)
    .default("geneve")
    .describe("kind of tunnels"),
  datapath: z
    .enum(["system", "netdev"])
    .optional()
    .describe(
      "datapath of bridges that have to be made; else that of br-int, else the kernel's where the kernel has it",
    ),
  gatewayBridge: interfaceName.default("br-ex").describe("bridge that leads out of the cluster"),
  uplink: interfaceName.optional().describe("interface to move onto the gateway bridge, with its addresses and routes"),
  physicalNetwork: z
    .string()
    .regex(/^[A-Za-z0-9_.-]+$/, "may have letters, digits, _ . and - only")
    .default("physnet")
    .describe("name of the gateway bridge's network in ovn-bridge-mappings"),
  managementInterface: interfaceName.default("ovenbird0").describe("the node's interface to the pods"),
  systemId: z
    .string()
    .regex(/^[A-Za-z0-9_.-]+$/, "may have letters, digits, _ . and - only")
    .optional()
    .describe("chassis name, used when Open_vSwitch has none yet; else one is made up"),
  heartbeatPort: z.coerce
    .number()
    .int()
    .min(1)
    .max(29_999, "must lie below NodePorts and the ports that pods are seen with")
    .default(9098)
    .describe("UDP port, the same on all nodes, by which nodes that announce addresses know of each other"),
  announcerSettleSeconds: z.coerce
    .number()
    .min(0)
    .max(3_600)
    .default(30)
    .describe("seconds after which a node that (re)joined takes addresses from others"),
  dnsServers: z
    .string()
    .refine(
      (text) => text.split(",").every((item) => isIP(item) !== 0 || /^[a-z0-9-]+\/[a-z0-9-]+$/.test(item)),
      "must be Services (namespace/name) or IP addresses, parted by commas",
    )
    .default("kube-system/kube-dns")
    .describe("whose answers tell where the domain names of policies lead: Services (namespace/name) or addresses"),
  metricsBindAddress: z
    .string()
    .regex(/^.*:\d{1,5}$/, "must be host:port")
    .optional()
    .describe("host:port for /healthz, /readyz and /metrics; none by default"),
  logLevel: z
    .enum(["fatal", "error", "warn", "info", "debug", "trace", "silent"])
    .default("info")
    .describe("least level of log lines"),
});
export type AgentConfig = z.infer<typeof agentConfig>;

/** What is wrong with a configuration; `code` is INVALID_CONFIG, or HELP when help was asked for and printed. */
export class ConfigError extends Error {
  readonly code: "INVALID_CONFIG" | "HELP";

  constructor(code: "INVALID_CONFIG" | "HELP", message: string) {
    super(message);
    this.name = "ConfigError";
    this.code = code;
  }
}

const keys = Object.keys(agentConfig.shape) as (keyof AgentConfig)[];
const kebab = (key: string) => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
const variable = (key: string) => `OVENBIRD_${kebab(key).replaceAll("-", "_").toUpperCase()}`;

/**
 * Reads the configuration: flags before `OVENBIRD_*` variables before the file (`--config`, YAML or JSON, keys in camel
 * case) before defaults.
 * @param args without the program's own name
 * @throws {ConfigError} with every problem in its message
 */
export function readAgentConfig(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): AgentConfig {
  const flags = parseFlags(args);
  const file = flags.config ?? environment.OVENBIRD_CONFIG;
  const merged: Record<string, unknown> = file === undefined ? {} : readFile(file);
  for (const key of keys) {
    const value = flags[key] ?? environment[variable(key)];
    if (value !== undefined && value !== "") merged[key] = value;
  }
  const result = agentConfig.safeParse(merged);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) =>
    issue.code === "unrecognized_keys"
      ? `the file has ${issue.keys.join(", ")}, which is not known`
      : describeIssue(String(issue.path[0]), issue.message, merged),
  );
  throw new ConfigError("INVALID_CONFIG", problems.join("\n"));
}

function describeIssue(key: string, message: string, merged: Readonly<Record<string, unknown>>): string {
  const names = `--${kebab(key)} (${variable(key)})`;
  return merged[key] === undefined ? `${names} is missing` : `${names} ${JSON.stringify(merged[key])}: ${message}`;
}

function parseFlags(args: readonly string[]): Readonly<Record<string, string | undefined>> {
  const command = new Command("ovenbird-agent")
    .description("Connects the pods of one node to OVN: configures Open vSwitch, serves the CNI plugin.")
    .addHelpText(
      "after",
      "\nEvery option can also be given as the variable named, or in the file under its camel-case name.",
    )
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  for (const key of keys) {
    const schema = agentConfig.shape[key];
    const initial = schema instanceof z.ZodDefault ? ` (default ${String(schema.def.defaultValue)})` : "";
    const required = schema.safeParse(undefined).success ? "" : " (required)";
    const description = `${schema.description}${required}${initial} [${variable(key)}]`;
    command.addOption(new Option(`--${kebab(key)} <value>`, description));
  }
  command.addOption(new Option("--config <file>", "configuration file, YAML or JSON [OVENBIRD_CONFIG]"));
  try {
    command.parse(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    throw new ConfigError(error.code === "commander.helpDisplayed" ? "HELP" : "INVALID_CONFIG", error.message);
  }
  return command.opts();
}

function readFile(path: string): Record<string, unknown> {
  try {
    const content: unknown = parseYaml(readFileSync(path, "utf8"));
    if (content === null || content === undefined) return {};
    if (typeof content === "object" && !Array.isArray(content)) return { ...content };
    throw new ConfigError("INVALID_CONFIG", `${path} holds no object`);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const cause = error instanceof Error ? error.message : String(error);
    throw new ConfigError(
      "INVALID_CONFIG",
      `${path} can't be ${error instanceof YAMLError ? "parsed" : "read"}: ${cause}`,
    );
  }
}
