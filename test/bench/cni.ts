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

type Entry = Readonly<Record<string, unknown>>;

/** Durations that a program on the lab's nodes logged. */
function logged(lab: Lab, program: string, durationMs: (entry: Entry) => number | undefined): number[] {
  return lab.nodes.flatMap((node) =>
    readFileSync(join(paths(lab.folder).logs, `${node}.${program}.log`), "utf8")
      .split("\n")
      .flatMap((line) => (line.startsWith("{") ? (durationMs(JSON.parse(line) as Entry) ?? []) : [])),
  );
}

const callOf =
  (command: string) =>
  ({ msg, command: called, durationMs }: Entry) =>
    msg === "CNI call" && called === command ? Number(durationMs) : undefined;

const attachment = ({ msg, addressMs, attachMs, installedMs }: Entry) =>
  msg === "pod attached" ? Number(addressMs) + Number(attachMs) + Number(installedMs) : undefined;

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
    const [node] = lab.layout.nodes;
    if (node === undefined) throw new Error("the lab has no node");
    const plugin = join(nodeFiles(node).cniBinFolder, "ovenbird");
    const version = await timesOf(calls, () =>
      promisify(execFile)("/bin/sh", ["-c", `printf '{"cniVersion":"1.0.0"}' | CNI_COMMAND=VERSION exec ${plugin}`]),
    );
    return {
      calls,
      add: spreadOf(logged(lab, "kubelet", callOf("ADD"))),
      agentAdd: spreadOf(logged(lab, "agent", attachment)),
      del: spreadOf(logged(lab, "kubelet", callOf("DEL"))),
      version: spreadOf(version),
      podReady: spreadOf(podReady),
    };
  } finally {
    await cluster.close();
    await lab.down();
  }
}
