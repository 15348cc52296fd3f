import { watch } from "node:fs";
import { createEventRecorder, isKubeError, type KubeClient, pods, reflect } from "@ovenbird/kube";
import type { Logger } from "pino";
import type { Subscription } from "rxjs";
import type { Prober } from "../probe/index.ts";
import { delay } from "../supervisor/daemon.ts";
import type { CniHost } from "./cni-runtime.ts";
import { status as cniStatus, collectGarbage, loadNetworkList } from "./cni-runtime.ts";
import type { ContainerStatus } from "./containers.ts";
import {
  heartbeatMs,
  type NodeIdentity,
  registerNode,
  renewLease,
  reportNode,
  unreadyHeartbeatMs,
} from "./node-object.ts";
import { type ContainerRecord, type PodRecord, readPod } from "./pod.ts";
import { podStatus } from "./pod-status.ts";
import type { PodView } from "./pod-view.ts";
import { type PodReport, type PodWorker, type PodWorkerContext, startPodWorker } from "./pod-worker.ts";
import { removeSandbox } from "./sandbox.ts";
import { readSandboxes } from "./sandbox-store.ts";

export interface KubeletOptions {
  readonly client: KubeClient;
  readonly labName: string;
  readonly node: NodeIdentity;
  /** Path of the node's network namespace. */
  readonly namespace: string;
  readonly cni: CniHost;
  readonly sandboxFolder: string;
  readonly logFolder: string;
  readonly prober: Prober;
  /** The files of pods in a Kubernetes namespace that are not the machine's. */
  readonly view?: (podNamespace: string) => PodView | undefined;
  readonly logger: Logger;
}

export interface Kubelet {
  /** Path of the network namespace of the pod `namespace/name`, while it runs here. */
  namespaceOf(podKey: string): string | undefined;
  close(): Promise<void>;
}

/** Plugins that run at once: they share the machine with the datapaths of all nodes. */
const pluginsAtOnce = 4;
const retry = { firstMs: 100, longestMs: 3000 } as const;

/** A kubelet for pods that are network namespaces: registers its node, runs the pods bound to it, reports on both. */
export function startKubelet(options: KubeletOptions): Kubelet {
  const { client, node, logger } = options;
  const closing = new AbortController();
  const recorder = createEventRecorder(client, { component: "kubelet", host: node.name });
  /** By uid: a pod of the same name may already be there while its predecessor is torn down. */
  const workers = new Map<string, { readonly worker: PodWorker; key: string }>();
  const reports = new Map<string, PodReport>();
  const reporting = new Set<string>();

  const sandboxes = { labName: options.labName, cni: options.cni, store: options.sandboxFolder };
  const leftBehind = new Map(readSandboxes(options.sandboxFolder).map((sandbox) => [sandbox.pod.uid, sandbox]));
  const context: PodWorkerContext = {
    sandboxes,
    prober: options.prober,
    logFolder: options.logFolder,
    host: { namespace: options.namespace, addresses: node.addresses },
    ...(options.view === undefined ? {} : { view: options.view }),
    limit: createLimit(pluginsAtOnce),
    report: (report) => {
      reports.set(report.pod.uid, report);
      void sendReports(report.pod.uid);
    },
    problem: (pod, reason, message) => {
      logger.warn({ pod: pod.key, reason, problem: message }, "pod is held up");
      const { namespace, name, uid } = pod;
      recorder.event({ kind: "Pod", apiVersion: "v1", namespace, name, uid }, { type: "Warning", reason, message });
    },
    finalize: (pod) =>
      persist(`removing pod ${pod.key}`, async () => {
        const { namespace, name, uid } = pod;
        await client.delete(pods, { namespace, name }, { gracePeriodSeconds: 0, preconditions: { uid } });
      }),
  };

  /** Repeats until it succeeds or its object is gone, replaced or refused for good. */
  async function persist(what: string, work: () => Promise<void>): Promise<void> {
    let waitMs: number = retry.firstMs;
    while (!closing.signal.aborted) {
      try {
        return await work();
      } catch (error) {
        if (isKubeError(error) && ["NOT_FOUND", "CONFLICT", "INVALID", "BAD_REQUEST"].includes(error.code)) {
          if (error.code !== "NOT_FOUND") logger.warn({ what, err: error }, "the API refused");
          return;
        }
        if (!closing.signal.aborted) logger.warn({ what, err: error, retryInMs: waitMs }, "the API did not answer");
        await delay(waitMs, closing.signal);
        waitMs = Math.min(retry.longestMs, waitMs * 2);
      }
    }
  }

  /** Sends the newest report of a pod, one request at a time. */
  async function sendReports(uid: string): Promise<void> {
    if (reporting.has(uid)) return;
    reporting.add(uid);
    for (let report = reports.get(uid); report !== undefined; report = reports.get(uid)) {
      reports.delete(uid);
      const { pod, addresses, sandboxReady, processes, problem = "" } = report;
      const status = podStatus({
        pod,
        hostAddresses: node.addresses,
        podAddresses: addresses,
        containers: processes?.statuses() ?? pod.containers.map((container) => notCreated(container, problem)),
        sandboxReady,
        now: new Date().toISOString(),
      });
      await persist(`status of ${pod.key}`, async () => {
        // The uid makes the patch fail on a namesake.
        const patch = { metadata: { uid: pod.uid }, status };
        await client.patch(pods, { namespace: pod.namespace, name: pod.name }, patch, {
          type: "strategic",
          subresource: "status",
        });
      });
    }
    reporting.delete(uid);
  }

  function upsert(pod: PodRecord): void {
    const existing = workers.get(pod.uid);
    if (existing !== undefined) {
      existing.worker.update(pod);
      return;
    }
    const adopted = leftBehind.get(pod.uid);
    leftBehind.delete(pod.uid);
    const worker = startPodWorker(pod, adopted, context);
    workers.set(pod.uid, { worker, key: pod.key });
    worker.ended
      .catch((error: unknown) => logger.error({ pod: pod.key, err: error }, "pod worker failed"))
      .finally(() => workers.delete(pod.uid));
  }

  /** What a kubelet before this one left of pods that are no more. */
  async function removeLeftovers(): Promise<void> {
    const orphans = [...leftBehind.values()];
    leftBehind.clear();
    for (const sandbox of orphans) {
      const { namespace, name } = sandbox.pod;
      await persist(`sandbox of ${namespace}/${name}`, () => context.limit(() => removeSandbox(sandboxes, sandbox)));
    }
    const list = loadNetworkList(options.cni.conf);
    if (list === undefined) return;
    const valid = readSandboxes(options.sandboxFolder).map(({ containerId }) => ({ containerId, ifname: "eth0" }));
    await collectGarbage(options.cni, list, valid).catch((error: unknown) =>
      logger.warn({ err: error }, "CNI GC failed"),
    );
  }

  const subscription: Subscription = reflect<PodRecord>(client, pods, {
    project: readPod,
    fieldSelector: `spec.nodeName=${node.name}`,
    onProblem: (problem) => logger.warn({ problem: problem.kind, err: problem.error }, "watching pods"),
    backoff: { minMs: 100, maxMs: 2000 },
  }).subscribe((event) => {
    switch (event.kind) {
      case "upsert":
        if (event.old !== undefined && event.old.uid !== event.object.uid) workers.get(event.old.uid)?.worker.gone();
        return upsert(event.object);
      case "delete":
        return workers.get(event.object.uid)?.worker.gone();
      case "synced":
        void removeLeftovers();
    }
  });

  void keepNodeReported(options, closing.signal, persist);

  return {
    namespaceOf(podKey) {
      for (const { worker, key } of [...workers.values()].reverse()) {
        if (key !== podKey) continue;
        const namespace = worker.namespace();
        if (namespace !== undefined) return namespace;
      }
      return undefined;
    },
    async close() {
      closing.abort();
      subscription.unsubscribe();
      await recorder.close();
    },
  };
}

/** Registers the node and keeps its Ready condition and its Lease up to date; wakes when the CNI configuration changes. */
async function keepNodeReported(
  { client, node, cni, logger }: KubeletOptions,
  signal: AbortSignal,
  persist: (what: string, work: () => Promise<void>) => Promise<void>,
): Promise<void> {
  let woken = new AbortController();
  const watcher = watch(cni.conf, () => woken.abort());
  signal.addEventListener("abort", () => {
    watcher.close();
    woken.abort();
  });
  let last: { readonly problem: string | undefined; readonly since: string } | undefined;
  while (!signal.aborted) {
    woken = new AbortController();
    const problem = await cniProblem(cni);
    if (last === undefined || last.problem !== problem) {
      logger.info({ ready: problem === undefined, problem }, "node readiness");
      last = { problem, since: new Date().toISOString() };
    }
    const { since } = last;
    await persist("node status", async () => {
      await registerNode(client, node);
      await reportNode(client, node, problem, since);
    });
    await persist("node lease", () => renewLease(client, node));
    await delay(problem === undefined ? heartbeatMs : unreadyHeartbeatMs, woken.signal);
  }
}

/** Why pods can't be attached, as containerd tells kubelet; undefined when they can. */
async function cniProblem(cni: CniHost): Promise<string | undefined> {
  try {
    const list = loadNetworkList(cni.conf);
    if (list === undefined) return "container runtime network not ready: cni plugin not initialized";
    await cniStatus(cni, list);
    return undefined;
  } catch (error) {
    return `container runtime network not ready: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** A container whose sandbox is not there yet. */
function notCreated({ name, image }: ContainerRecord, message: string): ContainerStatus {
  return { name, image, state: { kind: "waiting", reason: "ContainerCreating", message }, ready: false, restarts: 0 };
}

/** At most `size` at once, the others in the order of their coming. */
function createLimit(size: number): <T>(work: () => Promise<T>) => Promise<T> {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (running >= size) await new Promise<void>((resolve) => waiting.push(resolve));
    else running += 1;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}
