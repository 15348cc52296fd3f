import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { identity } from "../topology/certificates.ts";
import { type Layout, paths } from "../topology/layout.ts";

/** What a process in a pod sees of the machine's files that is the pod's own. */
export interface PodView {
  /** Stands for /etc/resolv.conf. */
  readonly resolvConf: string;
  /** Lies over /run: the service account's token is in it. */
  readonly runFolder: string;
  /** Where a pod finds the API (what kubelet sets for the service `kubernetes`). */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * The view of pods in a Kubernetes namespace, its files written where they are missing: names are looked up as with
 * kubelet's `dnsPolicy: ClusterFirst`.
 * @returns undefined where the cluster is not the lab's own, and its names are unknown
 */
export function podView(layout: Layout, podNamespace: string): PodView | undefined {
  if (layout.config.kubeconfig !== undefined) return undefined;
  const folder = join(layout.folder, "pod-files", podNamespace);
  const resolvConf = join(folder, "resolv.conf");
  const runFolder = join(folder, "run");
  const account = join(runFolder, "secrets", "kubernetes.io", "serviceaccount");
  if (!existsSync(resolvConf)) {
    mkdirSync(account, { recursive: true, mode: 0o755 });
    writeFileSync(join(account, "token"), readFileSync(podTokenFiles(layout).token));
    writeFileSync(join(account, "ca.crt"), readFileSync(identity(layout, "central").ca));
    writeFileSync(join(account, "namespace"), podNamespace);
    const servers = layout.dnsServiceAddresses.map((address) => `nameserver ${address}\n`).join("");
    const search = [`${podNamespace}.svc.cluster.local`, "svc.cluster.local", "cluster.local"].join(" ");
    // A first packet may be lost while neighbours are resolved, and the resolver would wait 5 s before it asks again.
    // Last: its presence says that the others are there.
    writeFileSync(resolvConf, `search ${search}\n${servers}options ndots:5 timeout:1 attempts:3\n`);
  }
  const host = layout.apiServiceAddresses[0] ?? "";
  const env = { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: "443", KUBERNETES_SERVICE_PORT_HTTPS: "443" };
  return { resolvConf, runFolder, env };
}

/** The token that all pods have, and the list of tokens that the API lets in; there is no authorization to tell pods apart by. */
export function podTokenFiles(layout: Layout) {
  const folder = paths(layout.folder).pki;
  return { token: join(folder, "pods.token"), list: join(folder, "tokens.csv") } as const;
}

/** Makes both where they are missing. */
export function makePodToken(layout: Layout): void {
  const { token, list } = podTokenFiles(layout);
  if (existsSync(list)) return;
  const secret = crypto.randomUUID();
  const groups = "system:serviceaccounts,system:serviceaccounts:default";
  writeFileSync(token, secret, { mode: 0o600 });
  writeFileSync(list, `${secret},system:serviceaccount:default:default,pods,"${groups}"\n`, { mode: 0o600 });
}

/**
 * The command line that runs `command` in a network namespace with the files of a view: the mounts are its own, and
 * what the machine unmounts goes there too. Where the kernel knows no overlay the token is missing, nothing else. The
 * overlay shows the names of network namespaces without what is mounted on them, which `ip` complains of: they are hidden.
 * @param netns path of the network namespace
 */
export function inPod(netns: string, view: PodView | undefined, command: readonly string[]): string[] {
  const enter = ["nsenter", `--net=${netns}`];
  if (view === undefined) return [...enter, ...command];
  const script = `mount --bind "$1" /etc/resolv.conf || exit 126
mount -t overlay overlay -o "lowerdir=$2:/run" /run 2>/dev/null &&
  mount -t tmpfs -o ro tmpfs /run/netns 2>/dev/null
shift 2; exec "$@"`;
  const mounts = ["unshare", "--mount", "--propagation", "slave", "sh", "-c", script, "pod"];
  return [...enter, ...mounts, view.resolvConf, view.runFolder, ...command];
}
