import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { CommandError, run } from "../topology/run.ts";

/** The runtime's side of the CNI specification 1.1.0 (section 3, "Execution of Network Configurations"), as libcni does it. */

/** The newest version of the specification that this runtime speaks. */
const newestVersion = "1.1.0";

const networkList = z.object({
  cniVersion: z.string(),
  /** Since 1.1.0: all versions that the configuration is good for; the runtime takes the newest that it knows. */
  cniVersions: z.array(z.string()).default([]),
  name: z.string(),
  disableCheck: z.boolean().default(false),
  plugins: z.array(z.looseObject({ type: z.string() })).min(1),
});
export type NetworkList = z.infer<typeof networkList>;

export interface Attachment {
  readonly containerId: string;
  /** Path of the network namespace. */
  readonly netns: string;
  readonly ifname: string;
  readonly pod: { readonly namespace: string; readonly name: string; readonly uid: string };
}

type Result = Record<string, unknown>;

/** A node as its runtime sees it. */
export interface CniHost {
  /** Folder of network configurations. */
  readonly conf: string;
  /** Folder of plugins. */
  readonly bin: string;
  /** Told of each plugin call that succeeded. */
  readonly called?: (command: string, containerId: string | undefined, durationMs: number) => void;
}

/** Bound on one execution of a plugin; the plugin's own bounds are tighter and say more. */
const pluginTimeoutMs = 120_000;

/** The first network configuration list of the folder in the order of file names, as containerd picks it; undefined when there is none. */
export function loadNetworkList(folder: string): NetworkList | undefined {
  const file = readdirSync(folder)
    .filter((name) => name.endsWith(".conflist"))
    .sort()[0];
  if (file === undefined) return undefined;
  const list = networkList.parse(JSON.parse(readFileSync(join(folder, file), "utf8")));
  const known = [list.cniVersion, ...list.cniVersions].filter((version) => !isBefore(newestVersion, version));
  const cniVersion = known.reduce(
    (best, version) => (isBefore(best, version) ? version : best),
    known[0] ?? list.cniVersion,
  );
  return { ...list, cniVersion };
}

/** Attaches a namespace to the network. @throws CniFailure with the plugin's error */
export async function add(host: CniHost, list: NetworkList, attachment: Attachment): Promise<Result> {
  let result: Result | undefined;
  for (const plugin of list.plugins) {
    const output = await execute(host, "ADD", attachment, configOf(list, plugin, result));
    result = JSON.parse(output) as Result;
  }
  return result ?? {};
}

/** Detaches a namespace: the plugins in reverse order, each given what ADD answered. */
export async function del(
  host: CniHost,
  list: NetworkList,
  attachment: Attachment,
  result: Result | undefined,
): Promise<void> {
  for (const plugin of list.plugins.toReversed())
    await execute(host, "DEL", attachment, configOf(list, plugin, result));
}

/** Asks whether the attachment still is as ADD left it. */
export async function check(host: CniHost, list: NetworkList, attachment: Attachment, result: Result): Promise<void> {
  if (list.disableCheck || isBefore(list.cniVersion, "0.4.0")) return;
  for (const plugin of list.plugins) await execute(host, "CHECK", attachment, configOf(list, plugin, result));
}

/** Whether the plugins are ready for ADD (`STATUS`, since 1.1.0). @throws CniFailure with the reason when not */
export async function status(host: CniHost, list: NetworkList): Promise<void> {
  if (isBefore(list.cniVersion, "1.1.0")) return;
  for (const plugin of list.plugins) await execute(host, "STATUS", undefined, configOf(list, plugin, undefined));
}

/** Lets the plugins remove what belongs to none of the given attachments (`GC`, since 1.1.0). */
export async function collectGarbage(
  host: CniHost,
  list: NetworkList,
  valid: readonly Pick<Attachment, "containerId" | "ifname">[],
): Promise<void> {
  if (isBefore(list.cniVersion, "1.1.0")) return;
  const attachments = valid.map(({ containerId, ifname }) => ({ containerID: containerId, ifname }));
  for (const plugin of list.plugins) {
    const config = { ...configOf(list, plugin, undefined), "cni.dev/valid-attachments": attachments };
    await execute(host, "GC", undefined, config);
  }
}

export class CniFailure extends Error {
  /** The CNI error's number; undefined when the plugin did not answer with one. */
  readonly code: number | undefined;
  constructor(command: string, plugin: string, code: number | undefined, message: string) {
    super(`plugin ${plugin} failed (${command.toLowerCase()}): ${message}`);
    this.name = "CniFailure";
    this.code = code;
  }
}

function configOf(list: NetworkList, plugin: NetworkList["plugins"][number], prevResult: Result | undefined): Result {
  return {
    ...plugin,
    name: list.name,
    cniVersion: list.cniVersion,
    ...(prevResult === undefined ? {} : { prevResult }),
  };
}

async function execute(
  host: CniHost,
  command: string,
  attachment: Attachment | undefined,
  config: Result,
): Promise<string> {
  const type = String(config.type);
  const pod = attachment?.pod;
  const env: Record<string, string> = {
    CNI_COMMAND: command,
    CNI_PATH: host.bin,
    ...(attachment === undefined || pod === undefined
      ? {}
      : {
          CNI_CONTAINERID: attachment.containerId,
          CNI_NETNS: attachment.netns,
          CNI_IFNAME: attachment.ifname,
          CNI_ARGS: [
            "IgnoreUnknown=1",
            `K8S_POD_NAMESPACE=${pod.namespace}`,
            `K8S_POD_NAME=${pod.name}`,
            `K8S_POD_INFRA_CONTAINER_ID=${attachment.containerId}`,
            `K8S_POD_UID=${pod.uid}`,
          ].join(";"),
        }),
  };
  const startedAt = performance.now();
  try {
    const output = await run([join(host.bin, type)], {
      env,
      input: JSON.stringify(config),
      timeoutMs: pluginTimeoutMs,
    });
    host.called?.(command, attachment?.containerId, performance.now() - startedAt);
    return output;
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const said = errorShape.safeParse(parsed(error.stdout));
    throw said.success
      ? new CniFailure(command, type, said.data.code, [said.data.msg, said.data.details].filter(Boolean).join("; "))
      : new CniFailure(command, type, undefined, error.message);
  }
}

const errorShape = z.object({ code: z.number(), msg: z.string(), details: z.string().optional() });

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isBefore(version: string, other: string): boolean {
  return version.localeCompare(other, "en", { numeric: true }) < 0;
}
