import { CniFailure, cniErrorCodes } from "./error.ts";
import { isSupportedVersion, newestVersion, type SupportedVersion, supportedVersions } from "./versions.ts";
import type { CniCommand, CniRequest } from "./wire.ts";

/** What the plugin does itself, without the agent: answer VERSION. */
export interface VersionCall {
  readonly kind: "version";
  /** As asked for, even when we don't speak it: the caller learns that from the list. */
  readonly cniVersion: string;
}

/** A call to pass on to the agent. */
export interface AgentCall {
  readonly kind: "agent";
  readonly cniVersion: SupportedVersion;
  /** The agent's unix socket, from the configuration's `socket`. */
  readonly socketPath: string;
  readonly request: CniRequest;
}

type Environment = Readonly<Record<string, string | undefined>>;
type Config = Readonly<Record<string, unknown>>;

/** Which variables each command must have (CNI specification, section 2, "CNI operations"). */
const requiredVariables: Readonly<Record<CniCommand, readonly string[]>> = {
  ADD: ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"],
  // CNI_NETNS may be absent: the namespace can be gone when the runtime cleans up.
  DEL: ["CNI_CONTAINERID", "CNI_IFNAME"],
  CHECK: ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"],
  GC: [],
  STATUS: [],
  VERSION: [],
};

/** GC and STATUS came with CNI 1.1, CHECK with 0.4. */
const introducedIn: Partial<Readonly<Record<CniCommand, SupportedVersion>>> = {
  CHECK: "0.4.0",
  GC: "1.1.0",
  STATUS: "1.1.0",
};

/** Section 2: an alphanumeric character, then alphanumerics, `_`, `.` or `-`. */
const containerIdPattern = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;
/** What the kernel takes for an interface name: 1 to 15 bytes, no `/`, `:` or white space, not `.` or `..`. */
const ifnamePattern = /^(?!\.{1,2}$)[^\s/:]{1,15}$/;

function isCommand(text: string): text is CniCommand {
  return Object.hasOwn(requiredVariables, text);
}

function invalidEnvironment(message: string): CniFailure {
  return new CniFailure(cniErrorCodes.invalidEnvironment, message);
}

function invalidConfiguration(message: string): CniFailure {
  return new CniFailure(cniErrorCodes.invalidConfiguration, message);
}

/** @throws {CniFailure} 4 when `CNI_COMMAND` is missing or unknown */
export function parseCommand(environment: Environment): CniCommand {
  const command = environment.CNI_COMMAND;
  if (!command) throw invalidEnvironment("CNI_COMMAND is not set");
  if (!isCommand(command)) throw invalidEnvironment(`CNI_COMMAND ${JSON.stringify(command)} is not known`);
  return command;
}

/** @throws {CniFailure} 6 when the text is no JSON object */
export function parseConfig(stdin: string): Config {
  let json: unknown;
  try {
    json = JSON.parse(stdin);
  } catch (error) {
    throw new CniFailure(
      cniErrorCodes.decoding,
      "the network configuration on stdin is not JSON",
      error instanceof Error ? error.message : String(error),
    );
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new CniFailure(cniErrorCodes.decoding, "the network configuration on stdin is not a JSON object");
  }
  return json as Config;
}

/** The version to answer an error in: the configuration's if we speak it, else our newest. */
export function answerVersion(config: Config | undefined): SupportedVersion {
  const version = config?.cniVersion;
  return isSupportedVersion(version) ? version : newestVersion;
}

/** VERSION may come with an empty stdin (specifications up to 0.4 had it so). */
export function parseVersionCall(stdin: string): VersionCall {
  const version = stdin.trim() === "" ? undefined : parseConfig(stdin).cniVersion;
  return { kind: "version", cniVersion: typeof version === "string" ? version : newestVersion };
}

/**
 * Checks a call before anybody is asked.
 * @throws {CniFailure} 1 version, 4 environment, 7 configuration
 */
export function parseAgentCall(command: CniCommand, environment: Environment, config: Config): AgentCall {
  const cniVersion = checkedVersion(command, config);
  for (const name of requiredVariables[command]) {
    if (!environment[name]) throw invalidEnvironment(`${name} is not set, ${command} needs it`);
  }
  const { CNI_CONTAINERID: containerId, CNI_NETNS: netns, CNI_IFNAME: ifname } = environment;
  if (containerId && !containerIdPattern.test(containerId)) {
    throw invalidEnvironment(`CNI_CONTAINERID ${JSON.stringify(containerId)} is not a container id`);
  }
  if (ifname && !ifnamePattern.test(ifname)) {
    throw invalidEnvironment(`CNI_IFNAME ${JSON.stringify(ifname)} is not an interface name`);
  }
  // A path that makes no sense must not keep a runtime from cleaning up.
  if (netns && command !== "DEL" && !netns.startsWith("/")) {
    throw invalidEnvironment(`CNI_NETNS ${JSON.stringify(netns)} is not an absolute path`);
  }
  if (typeof config.name !== "string" || config.name === "") {
    throw invalidConfiguration("the network configuration has no name");
  }
  if (command === "ADD" && config.prevResult !== undefined && typeof config.prevResult !== "object") {
    throw invalidConfiguration("prevResult is not an object");
  }
  return {
    kind: "agent",
    cniVersion,
    socketPath: checkedSocket(config),
    request: {
      command,
      ...(containerId ? { containerId } : {}),
      ...(netns ? { netns } : {}),
      ...(ifname ? { ifname } : {}),
      ...(environment.CNI_ARGS ? { args: environment.CNI_ARGS } : {}),
      ...(environment.CNI_PATH ? { path: environment.CNI_PATH } : {}),
      config,
    },
  };
}

function checkedVersion(command: CniCommand, config: Config): SupportedVersion {
  const { cniVersion } = config;
  if (!isSupportedVersion(cniVersion)) {
    throw new CniFailure(
      cniErrorCodes.incompatibleVersion,
      cniVersion === undefined
        ? "the network configuration has no cniVersion"
        : `cniVersion ${JSON.stringify(cniVersion)} is not supported`,
      `supported: ${supportedVersions.join(", ")}`,
    );
  }
  const since = introducedIn[command];
  if (since && supportedVersions.indexOf(cniVersion) < supportedVersions.indexOf(since)) {
    throw new CniFailure(
      cniErrorCodes.incompatibleVersion,
      `${command} needs cniVersion ${since} or newer, the network configuration has ${cniVersion}`,
    );
  }
  return cniVersion;
}

/** Longest path that fits `sockaddr_un` (unix(7)), with its terminating zero. */
const socketPathBytes = 107;

function checkedSocket(config: Config): string {
  const { socket } = config;
  if (typeof socket !== "string" || !socket.startsWith("/") || Buffer.byteLength(socket) > socketPathBytes) {
    throw invalidConfiguration(
      "the network configuration's socket, where the node agent listens, is missing or not an absolute path",
    );
  }
  return socket;
}
