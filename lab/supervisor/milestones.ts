import {
  createKubeClient,
  isKubeError,
  type KubeClient,
  loadKubeConfig,
  namespaces,
  nodes,
  pods,
  type Resource,
  reflect,
  services,
} from "@ovenbird/kube";
import { z } from "zod";
import { type Layout, paths } from "../topology/layout.ts";
import { applyDefinitions, createClusterServices } from "./cluster-objects.ts";
import { demoNamespace, demoPod, demoPodNames, demoSelector, demoServiceObject } from "./demo-pods.ts";
import { podHealth } from "./pod-health.ts";
import type { Milestones } from "./supervisor.ts";

const timeoutMs = 90_000;

/** Waits on the Kubernetes API for what `up` promises: namespaces, ready nodes, running pods. */
export function createMilestones(layout: Layout): Milestones {
  let client: KubeClient | undefined;
  const connected = () => {
    client ??= createKubeClient(loadKubeConfig({ path: paths(layout.folder).kubeconfig }));
    return client;
  };
  return {
    async apiReady(signal) {
      // The first request may find the API's listener but not yet the forwarder's.
      await watchUntil(
        connected(),
        namespaces,
        {},
        () => undefined,
        signal,
        () => "the API does not answer",
      );
      for (const name of ["default", "kube-system", "kube-node-lease"])
        await createUnlessThere(
          connected(),
          namespaces,
          {},
          { apiVersion: "v1", kind: "Namespace", metadata: { name } },
        );
      if (layout.config.kubeconfig === undefined) {
        await applyDefinitions(connected());
        await createClusterServices(connected(), layout);
      }
    },
    async nodeReady(name, signal, waiting) {
      const problems = new Map<string, string | undefined>([[name, "it is not registered"]]);
      await watchUntil(
        connected(),
        nodes,
        { fieldSelector: `metadata.name=${name}` },
        (key, raw) => {
          problems.set(key, nodeProblem(raw));
          const problem = problems.get(name);
          if (problem !== undefined) waiting(problem);
          return problem;
        },
        signal,
        (problem) => `${name} is not ready: ${problem ?? "it is not registered"}`,
        "it is not registered",
      );
    },
    async demoPods(signal, tell) {
      const names = demoPodNames(layout);
      // A cluster of somebody else has service addresses that our controller is not told of.
      if (layout.config.kubeconfig === undefined)
        await createUnlessThere(connected(), services, { namespace: demoNamespace }, demoServiceObject());
      for (const name of names) await createUnlessThere(connected(), pods, { namespace: demoNamespace }, demoPod(name));
      const waiting = new Map(names.map((name) => [`${demoNamespace}/${name}`, "not there yet"]));
      const waitingText = () =>
        waiting.size === 0 ? undefined : [...waiting].map(([key, why]) => `${key}: ${why}`).join("; ");
      await watchUntil(
        connected(),
        pods,
        { namespace: demoNamespace, labelSelector: demoSelector },
        (key, raw) => {
          const { state, problem } = podHealth(raw, Date.now());
          if (state === "ready") waiting.delete(key);
          else if (waiting.has(key)) waiting.set(key, problem ?? state);
          const text = waitingText();
          if (text !== undefined) tell(text);
          return text;
        },
        signal,
        (problem) => `not running after ${timeoutMs / 1000} s: ${problem ?? ""}`,
        waitingText(),
      );
      return names.join(", ");
    },
  };
}

/**
 * Follows a resource until `judge` has no more complaint.
 * @param judge told of each object; answers what is still wrong
 */
function watchUntil(
  client: KubeClient,
  resource: Resource,
  selection: { readonly namespace?: string; readonly fieldSelector?: string; readonly labelSelector?: string },
  judge: (key: string, raw: unknown) => string | undefined,
  signal: AbortSignal,
  explain: (problem: string | undefined) => string,
  before?: string,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let problem = before;
    let lastFailure: string | undefined;
    const finish = (settle: () => void) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", stopped);
      queueMicrotask(() => subscription.unsubscribe());
      settle();
    };
    const stopped = () => finish(() => reject(new Error("stopped")));
    const timer = setTimeout(
      () => finish(() => reject(new Error([explain(problem), lastFailure].filter(Boolean).join("; ")))),
      timeoutMs,
    );
    signal.addEventListener("abort", stopped);
    const subscription = reflect<unknown>(client, resource, {
      ...selection,
      project: (raw) => raw,
      backoff: { minMs: 50, maxMs: 1000 },
      onProblem: (found) => {
        lastFailure = found.error instanceof Error ? found.error.message : String(found.error);
      },
    }).subscribe((event) => {
      if (event.kind === "upsert") problem = judge(event.key, event.object);
      if (event.kind !== "delete" && problem === undefined) finish(resolve);
    });
  });
}

async function createUnlessThere(
  client: KubeClient,
  resource: Resource,
  target: { readonly namespace?: string },
  body: object,
): Promise<void> {
  try {
    await client.create(resource, target, body);
  } catch (error) {
    if (!(isKubeError(error) && error.code === "ALREADY_EXISTS")) throw error;
  }
}

const conditions = z.object({
  status: z.object({
    conditions: z.array(z.object({ type: z.string(), status: z.string(), message: z.string().optional() })).default([]),
  }),
});

function nodeProblem(raw: unknown): string | undefined {
  const read = conditions.safeParse(raw);
  const ready = read.success ? read.data.status.conditions.find(({ type }) => type === "Ready") : undefined;
  if (ready === undefined) return "its kubelet has not reported yet";
  return ready.status === "True" ? undefined : (ready.message ?? "Ready is not True");
}
