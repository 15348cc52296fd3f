import { randomInt } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Lab, startLab } from "../../lab/index.ts";
import { type Cluster, isReady, openCluster } from "./cluster.ts";
import { networkOf, northboundOf } from "./network.ts";
import { untilAsFromScratch } from "./northbound.ts";

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

/** Each is killed once at least. */
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

/** False for one that is just being started anew. */
async function isKilled(name: string): Promise<boolean> {
  try {
    await lab.kill(name);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ESRCH")) return false;
    throw error;
  }
}

/** What pods have on a node: ports of the integration bridge, devices, guards of devices; each by the device's name. */
async function traces(node: string): Promise<readonly (readonly string[])[]> {
  const outputs = await Promise.all([
    lab.exec(node, ["ovs-vsctl", "--timeout=10", "list-ports", "br-int"]),
    lab.exec(node, ["ip", "-oneline", "link"]),
    lab.exec(node, ["nft", "list", "chains", "netdev"]),
  ]);
  return outputs.map((text) => [...new Set(text.match(/\bovb[0-9a-f]{12}\b/g))].sort());
}

it("two hundred pods come and go while everything is killed at random, and all ends right", async () => {
  const churn = (async () => {
    for (let index = 0; index < 200; index += 1) {
      await persistently(() => cluster.create({ name: `pod-${index}` }));
      if (index >= 20 && index % 10 < 8) await persistently(() => cluster.delete(`default/pod-${index - 20}`));
      await delay(randomInt(20, 120));
    }
  })();
  let isChurning = true;
  const churned = churn.finally(() => {
    isChurning = false;
  });
  const killed: string[] = [];
  const kills = (async () => {
    // Each once in an order of chance, then any of them until the churn is over.
    for (
      let left = [...victims];
      left.length > 0 || isChurning;
      left = victims.filter((name) => !killed.includes(name))
    ) {
      await delay(randomInt(500, 1500));
      const from = left.length > 0 ? left : victims;
      const victim = from[randomInt(from.length)] ?? "";
      if (await isKilled(victim)) killed.push(victim);
    }
  })();
  await Promise.all([churned, kills]);
  console.info(`killed: ${killed.join(", ")}`);
  expect(new Set(killed)).toEqual(new Set(victims));
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
  const { differences, podPorts } = await untilAsFromScratch(cluster.client, networkOf(lab), northboundOf(lab));
  expect(differences).toEqual([]);
  expect(podPorts).toBe(wanted.length);
  // An object without a grace period goes before its kubelet has torn down what it stood for.
  for (const node of lab.nodes) {
    const here = [...cluster.pods.values()].filter(({ spec }) => spec?.nodeName === node).length;
    await expect
      .poll(
        async () => {
          const [ports, devices, guards] = await traces(node);
          return {
            pods: ports?.length,
            ports,
            devices,
            guards,
            same: isDeepStrictEqual([ports, ports], [devices, guards]),
          };
        },
        { timeout: 30_000, interval: 250 },
      )
      .toMatchObject({ pods: here, same: true });
  }
  const matrix = await lab.check();
  expect(matrix.cells.filter(({ ok }) => !ok)).toEqual([]);
  expect(matrix.total).toBeGreaterThan(wanted.length);
});
