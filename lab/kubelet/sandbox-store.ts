import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import { z } from "zod";

const sandboxShape = z.object({
  /** `CNI_CONTAINERID` */
  containerId: z.string(),
  /** Name of the network namespace. */
  namespace: z.string(),
  pod: z.object({ namespace: z.string(), name: z.string(), uid: z.string() }),
  /** `creating` until CNI ADD was answered: what a killed kubelet leaves in that state is torn down by its successor. */
  state: z.enum(["creating", "ready"]),
  /** What CNI ADD answered. */
  result: z.record(z.string(), z.unknown()).optional(),
});

/** A pod's sandbox as the kubelet remembers it over its own restarts. */
export type Sandbox = z.infer<typeof sandboxShape>;

/** The sandboxes remembered in `folder`; read by the command line too, so each file is replaced in one step. */
export function readSandboxes(folder: string): Sandbox[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith(".json"))
    .flatMap((file) => {
      const text = textOf(join(folder, file));
      return text === undefined ? [] : [sandboxShape.parse(JSON.parse(text))];
    });
}

/** What is in the file; nothing where the kubelet has forgotten the sandbox since the folder was listed. */
function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

export function saveSandbox(folder: string, sandbox: Sandbox): void {
  const file = join(folder, `${sandbox.containerId}.json`);
  writeFileSync(`${file}.new`, JSON.stringify(sandbox));
  renameSync(`${file}.new`, file);
}

export function forgetSandbox(folder: string, sandbox: Sandbox): void {
  rmSync(join(folder, `${sandbox.containerId}.json`), { force: true });
}

const resultShape = z.object({ ips: z.array(z.object({ address: z.string() })).default([]) });

/** The addresses that CNI gave the sandbox, without prefix lengths. */
export function addressesOf(sandbox: Sandbox): string[] {
  const parsed = resultShape.safeParse(sandbox.result ?? {});
  return parsed.success ? parsed.data.ips.map(({ address }) => address.split("/")[0] ?? address) : [];
}

/** `status.podIPs`: of the addresses that CNI gave the sandbox the first of each family, as a runtime reports them. */
export function podAddressesOf(sandbox: Sandbox): string[] {
  const addresses = addressesOf(sandbox);
  return addresses.filter((address, index) => addresses.findIndex((other) => isIP(other) === isIP(address)) === index);
}

/** The addresses that the sandbox's pod has in its subnet, by which its tenant knows it: the last of each family. */
export function subnetAddressesOf(sandbox: Sandbox): string[] {
  const addresses = addressesOf(sandbox);
  return addresses.filter(
    (address, index) => addresses.findLastIndex((other) => isIP(other) === isIP(address)) === index,
  );
}
