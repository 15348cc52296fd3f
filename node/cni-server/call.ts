import { isSupportedVersion, supportedVersions } from "@ovenbird/cni";
import * as z from "zod";
import { CniFailure, cniErrorCodes } from "./errors.ts";

/** The plugin checks the same; the agent doesn't rely on who wrote to its socket. */
export type CniVersion = (typeof supportedVersions)[number];

/** Whose interface it is: the key of everything the agent keeps apart. */
export interface AttachmentId {
  readonly containerId: string;
  readonly ifname: string;
}

export interface AddCall extends AttachmentId {
  readonly command: "ADD";
  readonly cniVersion: CniVersion;
  readonly netns: string;
  readonly pod: PodReference;
  readonly prevResult: PreviousResult | undefined;
  readonly dns: Readonly<Record<string, unknown>> | undefined;
}

export interface DelCall extends AttachmentId {
  readonly command: "DEL";
  readonly cniVersion: CniVersion;
}

export interface CheckCall extends AttachmentId {
  readonly command: "CHECK";
  readonly cniVersion: CniVersion;
  readonly netns: string;
  readonly prevResult: PreviousResult;
}

export interface GcCall {
  readonly command: "GC";
  readonly cniVersion: CniVersion;
  readonly validAttachments: readonly AttachmentId[];
}

export interface StatusCall {
  readonly command: "STATUS";
  readonly cniVersion: CniVersion;
}

export interface VersionCall {
  readonly command: "VERSION";
  readonly cniVersion: CniVersion;
}

export type CniCall = AddCall | DelCall | CheckCall | GcCall | StatusCall | VersionCall;

export interface PodReference {
  readonly namespace: string;
  readonly name: string;
  /** Absent when the runtime gives none (before containerd 1.5). */
  readonly uid?: string | undefined;
}

/** Specification section 2, "Parameters": an alphanumeric character, then alphanumerics, `_`, `.` or `-`. */
const containerId = z
  .string()
  .max(253)
  .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]*$/, "not a container id");
/** What the kernel takes (dev_valid_name): at most 15 bytes, not `.` or `..`, without `/`, `:` and white space. */
const ifname = z.string().regex(/^(?!\.{1,2}$)[\x21-\x2e\x30-\x39\x3b-\x7e]{1,15}$/, "not an interface name");
const path = z
  .string()
  .max(4095)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a path can't hold a zero byte
  .regex(/^\/[^\x00]*$/, "not an absolute path");

const envelope = z.object({
  command: z.enum(["ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION"]),
  containerId: z.string().optional(),
  netns: z.string().optional(),
  ifname: z.string().optional(),
  args: z.string().max(16_384).optional(),
  path: z.string().max(65_536).optional(),
  config: z.record(z.string(), z.unknown()),
});

const dnsLabel = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const podReference = z.object({
  namespace: z.string().max(63).regex(dnsLabel, "not a namespace's name"),
  name: z
    .string()
    .max(253)
    .regex(/^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/, "not a pod's name"),
  uid: z.string().min(1).max(128).optional(),
});

const previousResult = z.looseObject({
  cniVersion: z.string().optional(),
  interfaces: z
    .array(z.looseObject({ name: z.string(), mac: z.string().optional(), sandbox: z.string().optional() }))
    .max(64)
    .default([]),
  ips: z
    .array(z.looseObject({ address: z.string(), gateway: z.string().optional(), interface: z.int().min(0).optional() }))
    .max(256)
    .default([]),
  routes: z
    .array(z.looseObject({ dst: z.string(), gw: z.string().optional() }))
    .max(1024)
    .default([]),
  dns: z.record(z.string(), z.unknown()).optional(),
});
/** Another plugin's result, or our own, as the runtime hands it back. */
export type PreviousResult = z.infer<typeof previousResult>;

/** libcni writes an empty list of a node without pods as null. */
const attachments = z
  .array(z.looseObject({ containerID: containerId, ifname }))
  .max(65_536)
  .nullable();
const dns = z.looseObject({
  nameservers: z.array(z.string()).optional(),
  domain: z.string().optional(),
  search: z.array(z.string()).optional(),
  options: z.array(z.string()).optional(),
});

const newestOf = (version: unknown): CniVersion => (isSupportedVersion(version) ? version : "1.1.0");

/** The version to answer in, also when the rest of the request can't be understood. */
export function answerVersionOf(body: unknown): CniVersion {
  const config = typeof body === "object" && body !== null && "config" in body ? body.config : undefined;
  return newestOf(
    typeof config === "object" && config !== null && "cniVersion" in config ? config.cniVersion : undefined,
  );
}

/**
 * Checks all that a plugin sent.
 * @param body the request's body, parsed
 * @throws {CniFailure} 1 version, 4 environment, 6 not a request, 7 configuration
 */
export function parseCall(body: unknown): CniCall {
  const parsed = envelope.safeParse(body);
  if (!parsed.success) throw new CniFailure(cniErrorCodes.decoding, "not a CNI request", z.prettifyError(parsed.error));
  const { command, config, ...environment } = parsed.data;
  const cniVersion = versionOf(command, config.cniVersion);
  switch (command) {
    case "VERSION":
    case "STATUS":
      return { command, cniVersion };
    case "GC":
      return {
        command,
        cniVersion,
        validAttachments: (
          configuration(attachments, config["cni.dev/valid-attachments"], "cni.dev/valid-attachments") ?? []
        ).map((attachment) => ({ containerId: attachment.containerID, ifname: attachment.ifname })),
      };
  }
  const id: AttachmentId = {
    containerId: variable(containerId, environment.containerId, "CNI_CONTAINERID"),
    ifname: variable(ifname, environment.ifname, "CNI_IFNAME"),
  };
  // A namespace that is gone, or a path that makes no sense, must not keep a runtime from cleaning up.
  if (command === "DEL") return { command, cniVersion, ...id };
  const netns = variable(path, environment.netns, "CNI_NETNS");
  if (command === "CHECK") {
    return {
      command,
      cniVersion,
      ...id,
      netns,
      prevResult: configuration(previousResult, config.prevResult, "prevResult"),
    };
  }
  return {
    command,
    cniVersion,
    ...id,
    netns,
    pod: podOf(environment.args),
    prevResult:
      config.prevResult === undefined ? undefined : configuration(previousResult, config.prevResult, "prevResult"),
    dns: config.dns === undefined ? undefined : configuration(dns, config.dns, "dns"),
  };
}

/** CHECK came with 0.4.0, GC and STATUS with 1.1.0. */
function versionOf(command: CniCall["command"], version: unknown): CniVersion {
  if (!isSupportedVersion(version)) {
    throw new CniFailure(
      cniErrorCodes.incompatibleVersion,
      `cniVersion ${JSON.stringify(version) ?? "(none)"} is not supported`,
      `supported: ${supportedVersions.join(", ")}`,
    );
  }
  const tooOld =
    (command === "CHECK" && version === "0.3.1") || ((command === "GC" || command === "STATUS") && version !== "1.1.0");
  if (tooOld) throw new CniFailure(cniErrorCodes.incompatibleVersion, `cniVersion ${version} knows no ${command}`);
  return version;
}

function podOf(args: string | undefined): PodReference {
  const pairs = new Map(
    (args ?? "").split(";").map((pair) => {
      const equals = pair.indexOf("=");
      return [pair.slice(0, equals), pair.slice(equals + 1)] as const;
    }),
  );
  const uid = pairs.get("K8S_POD_UID");
  return variable(
    podReference,
    {
      namespace: pairs.get("K8S_POD_NAMESPACE"),
      name: pairs.get("K8S_POD_NAME"),
      ...(uid === undefined || uid === "" ? {} : { uid }),
    },
    "CNI_ARGS (K8S_POD_NAMESPACE, K8S_POD_NAME, K8S_POD_UID)",
  );
}

function variable<T>(schema: z.ZodType<T>, value: unknown, name: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new CniFailure(
    cniErrorCodes.invalidEnvironment,
    `${name} is ${value === undefined ? "missing" : "invalid"}`,
    z.prettifyError(result.error),
  );
}

function configuration<T>(schema: z.ZodType<T>, value: unknown, name: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new CniFailure(
    cniErrorCodes.invalidConfiguration,
    `the network configuration's ${name} is ${value === undefined ? "missing" : "invalid"}`,
    z.prettifyError(result.error),
  );
}
