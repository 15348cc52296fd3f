import type { Prober } from "../probe/index.ts";
import { namespacePath } from "../topology/layout.ts";
import { type PodProcesses, startContainers } from "./containers.ts";
import type { PodRecord } from "./pod.ts";
import type { PodView } from "./pod-view.ts";
import { createSandbox, isAlive, removeSandbox, type SandboxContext } from "./sandbox.ts";
import { podAddressesOf, type Sandbox } from "./sandbox-store.ts";

/** What a worker reports of its pod; level-triggered, so only the last report counts. */
export interface PodReport {
  readonly pod: PodRecord;
  readonly addresses: readonly string[];
  readonly sandboxReady: boolean;
  readonly processes: PodProcesses | undefined;
  /** Why there are no processes yet. */
  readonly problem?: string;
}

export interface PodWorkerContext {
  readonly sandboxes: SandboxContext;
  readonly prober: Prober;
  readonly logFolder: string;
  readonly host: { readonly namespace: string; readonly addresses: readonly string[] };
  readonly view?: (podNamespace: string) => PodView | undefined;
  /** Bounds how many plugins run at once. */
  readonly limit: <T>(work: () => Promise<T>) => Promise<T>;
  readonly report: (report: PodReport) => void;
  readonly problem: (pod: PodRecord, reason: string, message: string) => void;
  /** The pod's namespace is gone: the object may be removed. Resolves when it is. */
  readonly finalize: (pod: PodRecord) => Promise<void>;
}

export interface PodWorker {
  update(pod: PodRecord): void;
  /** The object is gone from the API: tear down without asking for its removal. */
  gone(): void;
  /** Path of the namespace that the pod runs in, once it has one. */
  namespace(): string | undefined;
  readonly ended: Promise<void>;
}

/** kubelet waits 10 s after the first failures; the lab is more impatient. */
const retryMs = { first: 300, longest: 5000 } as const;

/**
 * Brings one pod (one uid) to life and to its end: sandbox by CNI ADD, containers, status; on deletion CNI DEL and the
 * removal of the object. Failures are retried with a new sandbox, as kubelet does.
 * @param adopted the sandbox that an earlier kubelet left for this pod
 */
export function startPodWorker(first: PodRecord, adopted: Sandbox | undefined, context: PodWorkerContext): PodWorker {
  let pod = first;
  let isGone = false;
  let sandbox = adopted;
  let processes: PodProcesses | undefined;
  let wake: () => void = () => undefined;
  let dirty = true;
  let backoffMs: number = retryMs.first;

  const mustStop = () => isGone || pod.deleting;
  const isOver = () => pod.phase === "Succeeded" || pod.phase === "Failed";

  /** Waits for news of the pod, or for `ms`. */
  function news(ms?: number): Promise<void> {
    if (dirty) {
      dirty = false;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const timer = ms === undefined ? undefined : setTimeout(() => wake(), ms);
      wake = () => {
        clearTimeout(timer);
        wake = () => undefined;
        dirty = false;
        resolve();
      };
    });
  }
  function nudge(): void {
    dirty = true;
    wake();
  }

  async function failed(reason: string, error: unknown): Promise<void> {
    context.problem(pod, reason, error instanceof Error ? error.message : String(error));
    const wait = backoffMs;
    backoffMs = Math.min(retryMs.longest, backoffMs * 2);
    dirty = false;
    await news(wait);
  }

  function report(problem?: string): void {
    const ready = pod.hostNetwork || sandbox?.state === "ready";
    const own = sandbox === undefined ? [] : podAddressesOf(sandbox);
    const addresses = pod.hostNetwork ? context.host.addresses : own;
    context.report({
      ...{ pod, addresses, sandboxReady: ready, processes },
      ...(problem === undefined ? {} : { problem }),
    });
  }

  async function bringUp(): Promise<void> {
    if (!pod.hostNetwork && sandbox !== undefined && (sandbox.state !== "ready" || !isAlive(sandbox)))
      await dropSandbox();
    if (!pod.hostNetwork && sandbox === undefined) {
      await context.limit(async () => {
        // The wait for a turn may have outlasted the pod.
        if (mustStop()) return;
        await createSandbox(context.sandboxes, pod, (made) => {
          sandbox = made;
        });
      });
      if (mustStop()) return;
      backoffMs = retryMs.first;
    }
    const netns = pod.hostNetwork ? context.host.namespace : namespacePath(sandbox?.namespace ?? "");
    processes = startContainers({
      pod,
      netns,
      address: (pod.hostNetwork ? context.host.addresses[0] : sandbox && podAddressesOf(sandbox)[0]) ?? "",
      nodeNamespace: context.host.namespace,
      view: pod.hostNetwork ? undefined : context.view?.(pod.namespace),
      prober: context.prober,
      logFolder: context.logFolder,
      changed: () => report(),
      unhealthy: (why) => context.problem(pod, "Unhealthy", why),
    });
    report();
  }

  async function dropSandbox(): Promise<void> {
    const dropped = sandbox;
    if (dropped === undefined) return;
    await context.limit(() => removeSandbox(context.sandboxes, dropped));
    sandbox = undefined;
  }

  /** A pod that is being deleted serves on for as long as it says. */
  async function linger(): Promise<void> {
    const since = performance.now();
    for (
      let restMs = pod.lingerMs;
      pod.deleting && !isGone && restMs > 0;
      restMs = since + pod.lingerMs - performance.now()
    )
      await news(restMs);
  }

  async function loop(): Promise<void> {
    while (!mustStop() && !isOver()) {
      if (processes === undefined) {
        try {
          await bringUp();
        } catch (error) {
          report(error instanceof Error ? error.message : String(error));
          await failed("FailedCreatePodSandBox", error);
        }
      } else {
        await news();
      }
    }
    if (processes !== undefined) await linger();
    await processes?.stop();
    processes = undefined;
    backoffMs = retryMs.first;
    while (sandbox !== undefined) {
      try {
        await dropSandbox();
      } catch (error) {
        await failed("FailedKillPod", error);
      }
    }
    // A completed pod's object stays until somebody deletes it.
    while (!mustStop()) await news();
    if (!isGone) await context.finalize(pod);
  }

  return {
    update(next) {
      const gatesMoved = next.closedGates.join() !== pod.closedGates.join();
      pod = next;
      if (gatesMoved && processes !== undefined) report();
      nudge();
    },
    gone() {
      isGone = true;
      nudge();
    },
    namespace() {
      if (pod.hostNetwork) return processes === undefined ? undefined : context.host.namespace;
      return sandbox?.state === "ready" ? namespacePath(sandbox.namespace) : undefined;
    },
    ended: loop(),
  };
}
