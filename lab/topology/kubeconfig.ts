import { readFile, writeFile } from "node:fs/promises";
import { isIP } from "node:net";
import { z } from "zod";
import type { Identity } from "./certificates.ts";
import { run } from "./run.ts";

/** Writes a kubeconfig that carries its certificates inside, so that it can be copied anywhere. */
export async function writeKubeconfig(file: string, server: string, who: Identity): Promise<void> {
  const data = async (path: string) => (await readFile(path)).toString("base64");
  const document = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "lab",
    clusters: [{ name: "lab", cluster: { server, "certificate-authority-data": await data(who.ca) } }],
    users: [
      {
        name: "lab",
        user: { "client-certificate-data": await data(who.cert), "client-key-data": await data(who.key) },
      },
    ],
    contexts: [{ name: "lab", context: { cluster: "lab", user: "lab", namespace: "default" } }],
  };
  await save(file, document);
}

const clusterShape = z.looseObject({ server: z.url(), "tls-server-name": z.string().optional() });
const kubeconfigShape = z.looseObject({
  clusters: z.array(z.looseObject({ name: z.string(), cluster: clusterShape })).length(1),
});
type Kubeconfig = z.infer<typeof kubeconfigShape>;

/** The current context of somebody's kubeconfig, with all files that it names taken in. @throws CommandError, ZodError */
export async function readKubeconfig(file: string): Promise<Kubeconfig> {
  const text = await run([
    "kubectl",
    "config",
    "view",
    "--kubeconfig",
    file,
    "--raw",
    "--minify",
    "--flatten",
    "-o",
    "json",
  ]);
  return kubeconfigShape.parse(JSON.parse(text));
}

/** Where the API of a kubeconfig listens, as `host:port`. */
export function serverOf(kubeconfig: Kubeconfig): string {
  const { hostname, port, protocol } = new URL(kubeconfig.clusters[0]?.cluster.server ?? "");
  return `${hostname}:${port === "" ? (protocol === "http:" ? 80 : 443) : port}`;
}

/**
 * Writes somebody's kubeconfig so that it goes to `address` (`host:port`) instead, where something forwards to the
 * server; who the server has to prove to be stays.
 */
export async function writeKubeconfigVia(file: string, kubeconfig: Kubeconfig, address: string): Promise<void> {
  const clusters = kubeconfig.clusters.map(({ name, cluster }) => {
    const url = new URL(cluster.server);
    const host = url.hostname.replace(/^\[|\]$/g, "");
    const serverName = cluster["tls-server-name"] ?? (url.protocol === "https:" && isIP(host) === 0 ? host : undefined);
    const server = `${url.protocol}//${address}${url.pathname === "/" ? "" : url.pathname}`;
    // A server known by an address proves itself by that address; there is no name that could be asked for.
    return { name, cluster: { ...cluster, server, "tls-server-name": serverName ?? host } };
  });
  await save(file, { ...kubeconfig, clusters });
}

/** JSON is YAML. */
export async function save(file: string, document: object): Promise<void> {
  await writeFile(file, `${JSON.stringify(document, undefined, 2)}\n`, { mode: 0o600 });
}
