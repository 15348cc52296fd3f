import { type FSWatcher, watch } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { pods } from "../../../kube/index.ts";
import { type Lab, placeOf } from "../../../lab/index.ts";
import { namespacePath, namespacePrefix } from "../../../lab/topology/layout.ts";
import { type Cluster, type PodSpec, podObject } from "../cluster.ts";
import { type Capture, type Packet, startCapture } from "./capture.ts";
import { type Flood, startFlood, type Tally } from "./flood.ts";

/** Where the pods are made that are flooded, and that send at once. */
const victimsNode = "node1";

/**
 * Two pods flood a third from before it is there: `near` on its node, `far` on the other. Each pod that comes sends to
 * these two from the moment that it has a network namespace.
 */
export interface Scene {
  /** Aims at the addresses that the next pods get, and at pods that are there; whatever it was aimed at before. */
  aim(nextPods: number, keys?: readonly string[]): Promise<void>;
  /** Makes pods at once, on the node whose addresses are known; resolves when all are ready. @returns their keys */
  create(specs: readonly PodSpec[], namespace?: string): Promise<readonly string[]>;
  addressesOf(key: string): readonly string[];
  namespaceOf(key: string): Promise<string>;
  /** Ends what new pods send. @returns how much each sent, by its namespace */
  quiet(): Promise<ReadonlyMap<string, Tally>>;
  /** Lets what is under way arrive, and tells what has reached pods since the last time. */
  arrived(): Promise<readonly Packet[]>;
  /** Addresses of `near` and `far`. */
  readonly flooders: readonly string[];
  close(): Promise<void>;
}

export interface SceneOptions {
  readonly lab: Lab;
  readonly cluster: Cluster;
  /** To each pod that is aimed at, of both. */
  readonly packetsPerSecond: number;
}

/**
 * How much of the flood comes from `near` and how much from `far`: while nobody has the address, the router makes of each
 * packet of `far` a broadcast, by way of ovn-controller, to all ports of the switch.
 */
const shares = [5 / 6, 1 / 6];

/** The address so many places behind another one of the same block. */
function addressAt(base: string, offset: number): string {
  const parts = base.split(/(?<=[.:])/);
  const isIpv4 = base.includes(".");
  const last = Number.parseInt(parts.at(-1) ?? "", isIpv4 ? 10 : 16) + offset;
  return [...parts.slice(0, -1), last.toString(isIpv4 ? 10 : 16)].join("");
}

/** The hardware address of the pod with this IPv4 address (controller/translate/mac.ts): nobody is asked for it. */
function hardwareAddress(ipv4: string): string {
  const bytes = ipv4.split(".").map((byte) => Number(byte).toString(16).padStart(2, "0"));
  return `0a:58:${bytes.join(":")}`;
}

function podIn(namespace: string, spec: PodSpec): object {
  const pod = podObject(spec) as { readonly metadata: object };
  return { ...pod, metadata: { ...pod.metadata, namespace } };
}

export async function setScene({ lab, cluster, packetsPerSecond }: SceneOptions): Promise<Scene> {
  await cluster.create({ name: "near", nodeName: victimsNode });
  await cluster.create({ name: "far", nodeName: "node2" });
  const flooderKeys = ["default/near", "default/far"];
  for (const key of flooderKeys) await cluster.untilReady(key);

  const addressesOf = (key: string) => {
    const addresses = cluster.pods.get(key)?.status?.podIPs?.map(({ ip }) => ip) ?? [];
    if (addresses.length !== 2) throw new Error(`${key} has the addresses ${addresses.join(", ")}`);
    return addresses;
  };
  const namespaceOf = async (key: string) => (await placeOf(lab.layout, key)).namespace;
  const first = addressesOf("default/near");
  // Addresses that were never used come first, in ascending order.
  let made = 1;
  let aimed: readonly string[] = [];
  const flooders = flooderKeys.flatMap(addressesOf);

  // Else the neighbour would ask for addresses that nobody has, and send nothing.
  const neighbours = Array.from({ length: 245 }, (_, index) => index + 1).flatMap((offset) => {
    const [ipv4 = "", ipv6 = ""] = first.map((base) => addressAt(base, offset));
    const link = `lladdr ${hardwareAddress(ipv4)} dev eth0 nud permanent`;
    return [`neighbour replace ${ipv4} ${link}`, `neighbour replace ${ipv6} ${link}`];
  });
  await lab.exec("default/near", ["ip", "-batch", "-"], { input: neighbours.join("\n") });

  const incoming: Flood = await startFlood();
  const outgoing: Flood = await startFlood();
  outgoing.aim(flooders);
  const sourceNamespaces = await Promise.all(flooderKeys.map(namespaceOf));
  const prefix = `${namespacePrefix(lab.name)}pod-`;
  const seen = new Set<string>();
  const watcher: FSWatcher = watch(namespacePath("."), (_, name) => {
    if (name?.startsWith(prefix) !== true || seen.has(name)) return;
    seen.add(name);
    outgoing.from(namespacePath(name), packetsPerSecond / 10);
  });

  const startCaptures = (): Promise<Capture[]> =>
    Promise.all(lab.layout.nodes.map(({ namespace }) => startCapture(namespacePath(namespace))));
  let captures = await startCaptures();

  return {
    async aim(nextPods, keys = []) {
      const places = Array.from({ length: nextPods }, (_, index) => made + index);
      aimed = [
        ...places.flatMap((offset) => first.map((base) => addressAt(base, offset))),
        ...keys.flatMap(addressesOf),
      ];
      await incoming.rest();
      incoming.aim(aimed);
      const perSecond = (packetsPerSecond * aimed.length) / 2;
      sourceNamespaces.forEach((source, index) => {
        incoming.from(source, perSecond * (shares[index] ?? 0));
      });
    },
    async create(specs, namespace = "default") {
      made += specs.length;
      const keys = specs.map(({ name }) => `${namespace}/${name}`);
      await Promise.all(
        specs.map((spec) =>
          cluster.client.create(pods, { namespace }, podIn(namespace, { ...spec, nodeName: victimsNode })),
        ),
      );
      await Promise.all(keys.map((key) => cluster.untilReady(key)));
      const missed = keys.flatMap(addressesOf).filter((address) => !aimed.includes(address));
      if (missed.length > 0) throw new Error(`nobody aimed at ${missed.join(", ")}`);
      return keys;
    },
    addressesOf,
    namespaceOf,
    async quiet() {
      return new Map((await outgoing.rest()).map((tally) => [tally.namespace, tally]));
    },
    async arrived() {
      await delay(200);
      const packets = await Promise.all(captures.map((capture) => capture.stop()));
      captures = await startCaptures();
      return packets.flat();
    },
    flooders,
    async close() {
      watcher.close();
      await Promise.all([incoming.close(), outgoing.close(), ...captures.map((capture) => capture.stop())]);
    },
  };
}
