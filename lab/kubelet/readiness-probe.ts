import { z } from "zod";
import { getByHttp } from "../probe/http.ts";
import type { Prober } from "../probe/index.ts";
import { run } from "../topology/run.ts";
import { inPod, type PodView } from "./pod-view.ts";

const port = z.union([z.int(), z.string()]);

/** A container's `readinessProbe` (Probe v1 core). */
export const readinessProbe = z.object({
  httpGet: z.object({ path: z.string().default("/"), port, host: z.string().optional() }).optional(),
  tcpSocket: z.object({ port, host: z.string().optional() }).optional(),
  exec: z.object({ command: z.array(z.string()).min(1) }).optional(),
  initialDelaySeconds: z.number().default(0),
  periodSeconds: z.number().default(10),
  timeoutSeconds: z.number().default(1),
  successThreshold: z.int().default(1),
  failureThreshold: z.int().default(3),
});
export type ReadinessProbe = z.output<typeof readinessProbe>;

export interface ProbedContainer {
  readonly probe: ReadinessProbe;
  /** The container's ports that have names. */
  readonly ports: readonly { readonly name?: string | undefined; readonly containerPort: number }[];
  /** The pod's own address, the first of its status. */
  readonly address: string;
  /** Path of the pod's network namespace. */
  readonly netns: string;
  readonly view: PodView | undefined;
  /** Path of the node's network namespace: kubelet asks from there. */
  readonly nodeNamespace: string;
  readonly prober: Prober;
}

/** Asks once. @returns why the container is not ready; undefined when it is */
export async function askWhetherReady(container: ProbedContainer): Promise<string | undefined> {
  const { probe, ports, address, netns, view, nodeNamespace, prober } = container;
  const timeoutMs = probe.timeoutSeconds * 1000;
  const number = (wanted: number | string) => {
    const found = typeof wanted === "number" ? wanted : ports.find(({ name }) => name === wanted)?.containerPort;
    if (found === undefined) throw new Error(`no port is named ${wanted}`);
    return found;
  };
  try {
    if (probe.exec !== undefined) {
      await run(inPod(netns, view, probe.exec.command), { timeoutMs });
      return undefined;
    }
    if (probe.httpGet !== undefined) {
      const { path, host: to = address } = probe.httpGet;
      const request = { namespace: nodeNamespace, to, port: number(probe.httpGet.port), path, timeoutMs };
      const status = await getByHttp(request);
      return status >= 200 && status < 400 ? undefined : `HTTP probe failed with statuscode: ${status}`;
    }
    if (probe.tcpSocket !== undefined) {
      const { host: to = address } = probe.tcpSocket;
      const wanted = number(probe.tcpSocket.port);
      const { verdict, error } = await prober.probe({
        ...{ namespace: nodeNamespace, to, port: wanted, protocol: "tcp", timeoutMs },
      });
      return verdict === "connected" ? undefined : `dial tcp ${to}:${wanted}: ${error ?? verdict}`;
    }
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

export interface ReadinessWatch {
  readonly ready: boolean;
  stop(): void;
}

/**
 * Asks for as long as the container runs, as kubelet does: not ready until the first success.
 * @param changed told each time that the verdict turns
 * @param failed told of each question that was not answered well
 */
export function watchReadiness(
  container: ProbedContainer,
  { changed, failed }: { readonly changed: () => void; readonly failed: (why: string) => void },
): ReadinessWatch {
  const { probe } = container;
  let ready = false;
  let stopped = false;
  let inARow = 0;
  let timer = setTimeout(ask, probe.initialDelaySeconds * 1000);

  function ask(): void {
    timer = setTimeout(ask, probe.periodSeconds * 1000);
    void askWhetherReady(container).then((why) => {
      if (stopped) return;
      const holds = why === undefined;
      if (why !== undefined) failed(`Readiness probe failed: ${why}`);
      inARow = holds === ready ? 0 : inARow + 1;
      if (inARow < (holds ? probe.successThreshold : probe.failureThreshold)) return;
      if (holds === ready) return;
      ready = holds;
      inARow = 0;
      changed();
    });
  }
  return {
    get ready() {
      return ready;
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
