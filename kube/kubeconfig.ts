import { existsSync, readFileSync } from "node:fs";
import { isIPv6 } from "node:net";
import { homedir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import type { CredentialSource, Credentials, KubeConnection } from "./connection.ts";
import { fileCredentials, fixedCredentials, providerCredentials } from "./credentials.ts";
import { KubeError, messageOf } from "./error.ts";
import { type KubeConfigCluster, type KubeConfigUser, readKubeConfigFiles } from "./kubeconfig-file.ts";

export interface LoadKubeConfigOptions {
  /** A kubeconfig file; absent: `$KUBECONFIG`, else `~/.kube/config`, else the pod's service account. */
  readonly path?: string | undefined;
  /** Instead of the file's current context. */
  readonly context?: string | undefined;
  /** Default `process.env`. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Where a pod finds its service account; default `/var/run/secrets/kubernetes.io/serviceaccount`. */
  readonly serviceAccountFolder?: string;
}

/**
 * Finds out where the API server is and how to speak with it. Reads files; sends nothing.
 * @throws KubeError INVALID_CONFIG when there is no configuration, or not a usable one
 */
export function loadKubeConfig(options: LoadKubeConfigOptions = {}): KubeConnection {
  const environment = options.environment ?? process.env;
  if (options.path !== undefined) return fromFiles([resolve(options.path)], options.context);
  const listed = (environment.KUBECONFIG ?? "").split(delimiter).filter((path) => path !== "");
  // kubectl passes over files of the list that do not exist, unless none does.
  const present = listed.filter((path) => existsSync(path));
  if (listed.length > 0) return fromFiles(present.length > 0 ? present : listed, options.context);
  const home = join(environment.HOME ?? homedir(), ".kube", "config");
  if (existsSync(home)) return fromFiles([home], options.context);
  const folder = options.serviceAccountFolder ?? "/var/run/secrets/kubernetes.io/serviceaccount";
  const host = environment.KUBERNETES_SERVICE_HOST;
  if (host !== undefined && host !== "" && existsSync(join(folder, "token"))) {
    return fromServiceAccount(host, environment.KUBERNETES_SERVICE_PORT ?? "443", folder);
  }
  throw new KubeError(
    "INVALID_CONFIG",
    `no kubeconfig: none given, $KUBECONFIG is unset, ${home} does not exist, and this is not a pod with a service account`,
  );
}

/** As every pod finds it: environment for the address, files for the rest (client-go `rest.InClusterConfig`). */
function fromServiceAccount(host: string, port: string, folder: string): KubeConnection {
  const ca = join(folder, "ca.crt");
  const namespace = join(folder, "namespace");
  return {
    server: `https://${isIPv6(host) ? `[${host}]` : host}:${port}`,
    namespace: existsSync(namespace) ? readText(namespace).trim() : undefined,
    context: "in-cluster",
    tls: { ...(existsSync(ca) ? { ca: readText(ca) } : {}), insecureSkipVerify: false },
    proxyUrl: undefined,
    headers: [],
    credentials: fileCredentials({ tokenFile: join(folder, "token") }, {}),
  };
}

function fromFiles(paths: readonly string[], contextName: string | undefined): KubeConnection {
  const entries = readKubeConfigFiles(paths);
  const source = paths.join(delimiter);
  const name = contextName ?? entries.currentContext;
  if (name === undefined) throw new KubeError("INVALID_CONFIG", `kubeconfig ${source}: no current-context`);
  const context = entries.contexts.get(name);
  if (context === undefined) throw new KubeError("INVALID_CONFIG", `kubeconfig ${source}: no context "${name}"`);
  const cluster = entries.clusters.get(context.cluster);
  if (cluster === undefined) {
    throw new KubeError("INVALID_CONFIG", `kubeconfig ${source}: no cluster "${context.cluster}"`);
  }
  const user = context.user === undefined || context.user === "" ? {} : entries.users.get(context.user);
  if (user === undefined) throw new KubeError("INVALID_CONFIG", `kubeconfig ${source}: no user "${context.user}"`);
  return {
    server: cluster.server.replace(/\/+$/, ""),
    namespace: context.namespace,
    context: name,
    tls: tlsOf(cluster),
    proxyUrl: proxyOf(cluster),
    headers: impersonationOf(user),
    credentials: credentialsOf(user),
  };
}

function tlsOf(cluster: KubeConfigCluster): KubeConnection["tls"] {
  const data = cluster["certificate-authority-data"];
  const file = cluster["certificate-authority"];
  const ca = data !== undefined ? decode(data) : file !== undefined ? readText(file) : undefined;
  const serverName = cluster["tls-server-name"];
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(serverName === undefined ? {} : { serverName }),
    insecureSkipVerify: cluster["insecure-skip-tls-verify"] === true,
  };
}

function proxyOf(cluster: KubeConfigCluster): string | undefined {
  const proxy = cluster["proxy-url"];
  if (proxy !== undefined && !/^https?:\/\//.test(proxy)) {
    throw new KubeError("INVALID_CONFIG", `proxy-url ${proxy}: only http and https proxies are supported`);
  }
  return proxy;
}

function impersonationOf(user: KubeConfigUser): readonly (readonly [string, string])[] {
  return [
    ...(user.as === undefined ? [] : [["impersonate-user", user.as] as const]),
    ...(user["as-uid"] === undefined ? [] : [["impersonate-uid", user["as-uid"]] as const]),
    ...(user["as-groups"] ?? []).map((group) => ["impersonate-group", group] as const),
  ];
}

function credentialsOf(user: KubeConfigUser): CredentialSource {
  const provider = user["auth-provider"];
  const tokenFile = user.tokenFile ?? tokenFileOf(provider);
  if (user.exec || (provider && tokenFile === undefined)) return providerCredentials(user);
  const basic =
    user.username === undefined
      ? undefined
      : `Basic ${Buffer.from(`${user.username}:${user.password ?? ""}`).toString("base64")}`;
  const authorization = user.token === undefined ? basic : `Bearer ${user.token}`;
  const certificate = user["client-certificate-data"];
  const key = user["client-key-data"];
  const rest: Credentials = {
    ...(authorization === undefined ? {} : { authorization }),
    ...(certificate === undefined ? {} : { certificate: decode(certificate) }),
    ...(key === undefined ? {} : { key: decode(key) }),
  };
  const files = {
    tokenFile,
    certificateFile: certificate === undefined ? user["client-certificate"] : undefined,
    keyFile: key === undefined ? user["client-key"] : undefined,
  };
  const fromFile = Object.values(files).some((path) => path !== undefined);
  return fromFile ? fileCredentials(files, rest) : fixedCredentials(rest);
}

/** The form that client-node writes for a token in a file. */
function tokenFileOf(provider: KubeConfigUser["auth-provider"]): string | undefined {
  const config = provider?.config;
  const path =
    typeof config === "object" && config !== null ? (config as { tokenFile?: unknown }).tokenFile : undefined;
  return typeof path === "string" ? path : undefined;
}

function decode(base64: string): string {
  return Buffer.from(base64, "base64").toString("utf8");
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new KubeError("INVALID_CONFIG", `${path}: ${messageOf(cause)}`, { cause });
  }
}
