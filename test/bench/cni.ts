import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Lab, startLab } from "../../lab/index.ts";
import { nodeFiles } from "../../lab/supervisor/plan.ts";
import { paths } from "../../lab/topology/layout.ts";
import { openCluster } from "../e2e/cluster.ts";
import { type Spread, spreadOf } from "./spread.ts";

export interface CniFigures {
  readonly calls: number;
  readonly add: Spread;
  readonly agentAdd: Spread;
  readonly del: Spread;
  readonly version: Spread;
  readonly podReady: Spread;
}

const calls = 100;

/** Durations that a process of the lab logged under a message. */
function logged(lab: Lab, log: string, message: string, fields: Readonly<Record<string, unknown>>): number[] {
  return readFileSync(join(paths(lab.folder).logs, `${log}.log`), "utf8")
    .split("\n")
    .flatMap((line) => {
      if (!line.startsWith("{")) return [];
      const entry = JSON.parse(line) as Record<string, unknown>;
      const isWanted = entry.msg === message && Object.entries(fields).every(([key, value]) => entry[key] === value);
      return isWanted && typeof entry.durationMs === "number" ? [entry.durationMs] : [];
    });
}

async function timesOf(count: number, action: () => Promise<unknown>): Promise<number[]> {
  const durations: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const begin = performance.now();
    await action();
    durations.push(performance.now() - begin);
  }
  return durations;
}

/** A hundred pods one after another in a lab of three nodes. */
export async function benchCni(): Promise<CniFigures> {
  const lab = await startLab({ name: "bench", demoPods: false });
  const cluster = await openCluster(lab.kubeconfig);
  try {
    const podReady: number[] = [];
    for (let index = 0; index < calls; index += 1) {
      const name = `pod-${index}`;
      const begin = performance.now();
      await cluster.create({ name });
      await cluster.untilReady(`default/${name}`);
      podReady.push(performance.now() - begin);
    }
    for (let index = 0; index < calls; index += 1) {
      await cluster.delete(`default/pod-${index}`);
      await cluster.untilGone(`default/pod-${index}`);
    }
    const from = (daemon: string, message: string, fields: Record<string, unknown>) =>
      lab.nodes.flatMap((node) => logged(lab, `${node}.${daemon}`, message, fields));
    const [node] = lab.layout.nodes;
    if (node === undefined) throw new Error("the lab has no node");
    const plugin = join(nodeFiles(node).cniBinFolder, "ovenbird");
    const version = await timesOf(calls, () =>
      promisify(execFile)("/bin/sh", ["-c", `printf '{"cniVersion":"1.0.0"}' | CNI_COMMAND=VERSION exec ${plugin}`]),
    );
    return {
      calls,
      add: spreadOf(from("kubelet", "CNI call", { command: "ADD" })),
      agentAdd: spreadOf(from("agent", "CNI call", { command: "ADD" })),
      del: spreadOf(from("kubelet", "CNI call", { command: "DEL" })),
      version: spreadOf(version),
      podReady: spreadOf(podReady),
    };
  } finally {
    await cluster.close();
    await lab.down();
  }
}
