import { randomInt } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Lab, startLab } from "../../lab/index.ts";
import { type Cluster, isReady, openCluster } from "./cluster.ts";
import { networkOf, northboundOf } from "./network.ts";
import { compareWithScratch } from "./northbound.ts";

let lab: Lab;
let cluster: Cluster;

beforeAll(async () => {
  lab = await startLab({ name: "faults", demoPods: false });
  cluster = await openCluster(lab.kubeconfig);
});

afterAll(async () => {
  await cluster?.close();
  await lab?.down();
});

/** A fault of each kind comes this often at least. */
const victims = [
  "controller",
  "node1.agent",
  "northd",
  "northbound",
  "southbound",
  "node2.ovs-vswitchd",
  "api",
  "node3.agent",
  "node2.ovn-controller",
];

/** A server that was just killed refuses for a moment; what was asked of it is asked again, with a bound. */
async function persistently<T>(action: () => Promise<T>): Promise<T> {
  const until = performance.now() + 60_000;
  for (;;) {
    try {
      return await action();
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      if (code === "ALREADY_EXISTS" || code === "NOT_FOUND") return undefined as T;
      if (performance.now() > until) throw error;
      await delay(100);
    }
  }
}

it("two hundred pods come and go while everything is killed at random, and all ends right", async () => {
  const churn = (async () => {
    for (let index = 0; index < 200; index += 1) {
      await persistently(() => cluster.create({ name: `pod-${index}` }));
      if (index >= 20 && index % 10 < 8) await persistently(() => cluster.delete(`default/pod-${index - 20}`));
      await delay(randomInt(20, 120));
    }
  })();
  const killed: string[] = [];
  const kills = (async () => {
    // Each once, then at random until the churn is over.
    for (const victim of victims) {
      await delay(randomInt(500, 1500));
      await lab.kill(victim);
      killed.push(victim);
    }
  })();
  await Promise.all([churn, kills]);
  expect(killed.sort()).toEqual([...victims].sort());
  await lab.ready();

  const wanted = Array.from({ length: 200 }, (_, index) => index).filter(
    (index) => !(index < 180 && (index + 20) % 10 < 8),
  );
  const begin = performance.now();
  await Promise.all(wanted.map((index) => cluster.untilReady(`default/pod-${index}`, 120_000)));
  const gone = Array.from({ length: 180 }, (_, index) => index).filter((index) => (index + 20) % 10 < 8);
  await Promise.all(gone.map((index) => cluster.untilGone(`default/pod-${index}`, 120_000)));
  console.info(
    `all ${wanted.length} pods ready ${((performance.now() - begin) / 1000).toFixed(1)} s after the last fault`,
  );

  const addresses = [...cluster.pods.values()].flatMap((pod) => (isReady(pod) ? (pod.status?.podIPs ?? []) : []));
  expect(new Set(addresses.map(({ ip }) => ip)).size).toBe(addresses.length);
  const { differences, podPorts } = await compareWithScratch(cluster.client, networkOf(lab), northboundOf(lab));
  expect(differences).toEqual([]);
  expect(podPorts).toBe(wanted.length);
  const matrix = await lab.check();
  expect(matrix.cells.filter(({ ok }) => !ok)).toEqual([]);
  expect(matrix.total).toBeGreaterThan(wanted.length);
});
