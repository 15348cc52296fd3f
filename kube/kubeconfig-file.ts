import { readFileSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import { parse } from "yaml";
import * as z from "zod";
import { KubeError, messageOf } from "./error.ts";

/**
 * The kubeconfig format (client-go `tools/clientcmd/api/v1` types.go), as far as it is used here.
 * What stands in it beyond that is left alone.
 */
const text = z.string().min(1).optional();

const cluster = z.object({
  server: z.url({ protocol: /^https?$/ }),
  "certificate-authority": text,
  "certificate-authority-data": text,
  "insecure-skip-tls-verify": z.boolean().optional(),
  "tls-server-name": text,
  "proxy-url": text,
});

const user = z.object({
  token: text,
  tokenFile: text,
  username: text,
  password: text,
  "client-certificate": text,
  "client-certificate-data": text,
  "client-key": text,
  "client-key-data": text,
  as: text,
  "as-uid": text,
  "as-groups": z.array(z.string()).nullish(),
  exec: z.looseObject({ command: z.string().min(1) }).nullish(),
  "auth-provider": z.looseObject({ name: z.string().min(1) }).nullish(),
});

const context = z.object({ cluster: z.string(), user: z.string().optional(), namespace: text });

const kubeConfigFile = z.object({
  clusters: z.array(z.object({ name: z.string(), cluster })).nullish(),
  users: z.array(z.object({ name: z.string(), user: user.nullish() })).nullish(),
  contexts: z.array(z.object({ name: z.string(), context })).nullish(),
  "current-context": z.string().optional(),
});

export type KubeConfigCluster = z.infer<typeof cluster>;
export type KubeConfigUser = z.infer<typeof user>;
export type KubeConfigContext = z.infer<typeof context>;

/** One or several kubeconfig files as one: of two entries of a name, the first file's stands. */
export interface KubeConfigEntries {
  readonly clusters: ReadonlyMap<string, KubeConfigCluster>;
  readonly users: ReadonlyMap<string, KubeConfigUser>;
  readonly contexts: ReadonlyMap<string, KubeConfigContext>;
  readonly currentContext: string | undefined;
}

function parseFile(path: string): z.infer<typeof kubeConfigFile> {
  let document: unknown;
  try {
    document = parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw new KubeError("INVALID_CONFIG", `kubeconfig ${path}: ${messageOf(cause)}`, { cause });
  }
  const result = kubeConfigFile.safeParse(document ?? {});
  if (!result.success) {
    throw new KubeError("INVALID_CONFIG", `kubeconfig ${path}: ${z.prettifyError(result.error)}`);
  }
  return result.data;
}

/** The copy of an entry whose named fields, paths relative to the kubeconfig's folder, are absolute. */
function absolute<T extends object>(entry: T, folder: string, fields: readonly (keyof T)[]): T {
  const copy = { ...entry };
  for (const field of fields) {
    const path = copy[field];
    if (typeof path === "string" && !isAbsolute(path)) Object.assign(copy, { [field]: join(folder, path) });
  }
  return copy;
}

/**
 * Reads kubeconfig files, and merges them as kubectl does.
 * @throws KubeError INVALID_CONFIG, with the file and the field in the message
 */
export function readKubeConfigFiles(paths: readonly string[]): KubeConfigEntries {
  const clusters = new Map<string, KubeConfigCluster>();
  const users = new Map<string, KubeConfigUser>();
  const contexts = new Map<string, KubeConfigContext>();
  let currentContext: string | undefined;
  for (const path of paths) {
    const file = parseFile(path);
    const folder = dirname(path);
    for (const { name, cluster } of file.clusters ?? []) {
      if (!clusters.has(name)) clusters.set(name, absolute(cluster, folder, ["certificate-authority"]));
    }
    for (const { name, user } of file.users ?? []) {
      const fields = ["client-certificate", "client-key", "tokenFile"] as const;
      if (!users.has(name)) users.set(name, absolute(user ?? {}, folder, fields));
    }
    for (const { name, context } of file.contexts ?? []) if (!contexts.has(name)) contexts.set(name, context);
    currentContext ??= file["current-context"] === "" ? undefined : file["current-context"];
  }
  return { clusters, users, contexts, currentContext };
}
