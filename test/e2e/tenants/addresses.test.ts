import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AddressAudit, AddressHolding, AddressList } from "../../../controller/index.ts";
import { podNetworkAnnotation, podRefusalAnnotation, pods, readAnnotation } from "../../../kube/index.ts";
import { ovenbirdCommand, ovenbirdEnvironment } from "../../../lab/commands/ovenbird.ts";
import { type Lab, startLab } from "../../../lab/index.ts";
import { run } from "../../../lab/topology/run.ts";
import { type Cluster, isReady, openCluster, type Pod } from "../cluster.ts";
import { networkOf, northboundOf } from "../network.ts";
import { untilAsFromScratch } from "../northbound.ts";
import { listOf, namespaceObject, subnetObject, tenantObject } from "./objects.ts";

/** Addresses that pods ask for, share and keep, on a switch over all nodes and in a VLAN of the lab's trunk. */

const apiVersion = "ovenbird.io/v1alpha1";
const many = 200;

let lab: Lab;
let cluster: Cluster;
/** The lab has no controller of workloads, and lets go what has no owner: this stands for all of them. */
let ownerUid: string;

interface Asking {
  readonly name: string;
  readonly node: string;
  readonly annotations?: Readonly<Record<string, string>>;
  /** `StatefulSet/db` */
  readonly owner?: string;
}

function podObject({ name, node, annotations = {}, owner }: Asking): object {
  const [kind, ownerName] = owner?.split("/") ?? [];
  const reference = { apiVersion: "apps/v1", kind, name: ownerName, uid: ownerUid, controller: true };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      ...{ namespace: "red", name, annotations },
      ...(owner === undefined ? {} : { ownerReferences: [reference] }),
    },
    spec: {
      nodeName: node,
      terminationGracePeriodSeconds: 0,
      containers: [{ name: "probe", image: "probe", ports: [{ containerPort: 8080 }] }],
    },
  };
}

const create = (asking: Asking) => cluster.client.create(pods, { namespace: "red" }, podObject(asking));

async function end(name: string): Promise<void> {
  await cluster.delete(`red/${name}`);
  await cluster.untilGone(`red/${name}`);
}

/** What the pod was told: its addresses without prefix lengths, and its hardware address last. */
function told(pod: Pod | undefined): readonly string[] {
  const annotation = readAnnotation(podNetworkAnnotation, pod?.metadata?.annotations?.["ovenbird.io/network"]);
  if (annotation.kind !== "valid") return [];
  return [...annotation.value.addresses.map((address) => address.split("/", 1)[0] ?? ""), annotation.value.mac];
}

async function ready(name: string): Promise<readonly string[]> {
  return told(await cluster.untilReady(`red/${name}`));
}

async function untilRefused(name: string): Promise<string> {
  const read = (pod: Pod | undefined) =>
    readAnnotation(podRefusalAnnotation, pod?.metadata?.annotations?.["ovenbird.io/refused"]);
  const pod = await cluster.until(`red/${name}`, "refused", (each) => read(each).kind === "valid");
  const refusal = read(pod);
  return refusal.kind === "valid" ? `${refusal.value.code}: ${refusal.value.message}` : "";
}

async function ovenbird<T>(...args: readonly string[]): Promise<T> {
  const command = ovenbirdCommand(lab.layout, [...args, "--json"]);
  return JSON.parse(await run(command, { env: ovenbirdEnvironment(lab.layout) })) as T;
}

const holdings = async (subnet: string): Promise<readonly AddressHolding[]> =>
  (await ovenbird<AddressList>("ip", "list", "--subnet", subnet)).holdings;

/**
 * The command ends with another status, and so fails here, when it finds anything.
 * @param compared of how much there has to be nothing wrong
 */
async function expectNothingLeaked(compared: Partial<AddressAudit["compared"]> = {}): Promise<void> {
  await expect
    .poll(() => ovenbird<AddressAudit>("ip", "audit"), { timeout: 20_000 })
    .toMatchObject({ findings: [], compared });
}

/** When each answer arrived, in milliseconds since 1970, and how many were asked for. */
function startPing(from: string, to: string, seconds: number) {
  const asked = seconds * 50;
  const command = ["sh", "-c", `ping -D -n -i 0.02 -c ${asked} -W 1 ${to} || true`];
  return lab.exec(from, command, { timeoutMs: (seconds + 20) * 1000 }).then((text) => ({
    answers: [...text.matchAll(/^\[([\d.]+)\].*icmp_seq=\d+ ttl/gm)].map(([, time]) => Number(time) * 1000),
    lost: missing(asked, new Set([...text.matchAll(/icmp_seq=(\d+) ttl/g)].map(([, sequence]) => Number(sequence)))),
  }));
}

/** The numbers from 1 to `asked` that aren't there. */
function missing(asked: number, answered: ReadonlySet<number>): number[] {
  return Array.from({ length: asked }, (_, index) => index + 1).filter((sequence) => !answered.has(sequence));
}

/** The two answers between which there was none for the longest time. */
function longestGap(times: readonly number[]): readonly number[] {
  const gaps = times.slice(1).map((time, index) => [times[index] ?? time, time] as const);
  return gaps.reduce<readonly number[]>((a, b) => ((a[1] ?? 0) - (a[0] ?? 0) >= b[1] - b[0] ? a : b), []);
}

beforeAll(async () => {
  lab = await startLab({ name: "addresses", nodes: 2, trunk: true, demoPods: false });
  cluster = await openCluster(lab.kubeconfig);
  await lab.kubectl(["create", "configmap", "owner"]);
  ownerUid = await lab.kubectl(["get", "configmap", "owner", "-o", "jsonpath={.metadata.uid}"]);
  await lab.kubectl(["apply", "-f", "-"], {
    input: listOf(
      namespaceObject("red"),
      tenantObject("red"),
      subnetObject("flat", { tenant: "red", mode: "Cluster", cidrs: ["10.10.0.0/16", "fd10::/64"], default: true }),
      { apiVersion, kind: "ProviderNetwork", metadata: { name: "trunk" }, spec: { uplinks: ["eth1"] } },
      subnetObject("lan", {
        ...{ tenant: "red", mode: "Underlay", underlay: { providerNetwork: "trunk", vlan: 100 } },
        ...{ cidrs: ["172.30.100.0/24", "fd00:172:30:100::/64"] },
        ...{ gateways: ["172.30.100.1", "fd00:172:30:100::1"] },
      }),
      {
        ...{ apiVersion, kind: "IPPool", metadata: { name: "fronts" } },
        spec: {
          ...{ subnet: "flat", addresses: ["10.10.9.0-10.10.9.1"] },
          workloads: [{ namespace: "red", kind: "StatefulSet", name: "front" }],
        },
      },
    ),
  });
});

afterAll(async () => {
  await cluster?.close();
  await lab?.down();
});

describe("a pod with an address of its own", () => {
  const lan = {
    "ovenbird.io/subnet": "lan",
    "ovenbird.io/ip": "172.30.100.77, fd00:172:30:100::77",
    "ovenbird.io/mac": "02:00:00:00:00:77",
  };

  it("is answered for from another node by the same address and hardware address within 2 s", async () => {
    await create({ name: "moves", node: "node1", annotations: lan });
    const before = await ready("moves");
    expect(before).toEqual(["172.30.100.77", "fd00:172:30:100::77", "02:00:00:00:00:77"]);
    // A static firewall: what has this address and comes from this hardware address, and nothing else of the kind.
    await lab.exec("vlan100", ["nft", "-f", "-"], {
      input: `table netdev only {
        chain in {
          type filter hook ingress device "eth0" priority 0;
          ip saddr 172.30.100.77 ether saddr != 02:00:00:00:00:77 drop
        }
      }`,
    });
    await lab.exec("vlan100", ["ping", "-c", "2", "-W", "2", "172.30.100.77"]);
    const ping = startPing("vlan100", "172.30.100.77", 8);
    await end("moves");
    await create({ name: "moves", node: "node2", annotations: lan });
    const created = Date.now();
    expect(await ready("moves")).toEqual(before);
    const back = Date.now();
    const { answers } = await ping;
    // Of the next pod, as it is ready. Else nothing of the move was seen, and the longest silence is none at all.
    const next = answers.find((at) => at > back) ?? Number.POSITIVE_INFINITY;
    // The object goes before its kubelet has torn down what it stood for: until then the former pod still answers, at
    // best until the next one does; then the longest silence is anywhere.
    const [silent = Number.NaN, again = Number.NaN] = longestGap(answers);
    console.info(
      `nobody answered for ${Math.round(again - silent)} ms, and somebody for certain ${Math.round(next - created)} ms after the creation on the other node`,
    );
    expect(again - silent).toBeGreaterThan(0);
    expect(Math.max(again - silent, next - created)).toBeLessThan(2_000);
    expect(await lab.exec("vlan100", ["ip", "neigh", "show", "172.30.100.77"])).toContain("02:00:00:00:00:77");
    await end("moves");
  });

  it("keeps it, and every packet, when a second one asks for it, which is told who has it", async () => {
    const same = { "ovenbird.io/ip": "10.10.0.50" };
    await Promise.all([
      create({ name: "first", node: "node1", annotations: same }),
      // On the same node: vswitchd may lose what is on its way through a tunnel when a link comes or goes (docs/topology.md).
      create({ name: "client", node: "node1" }),
    ]);
    await Promise.all([ready("first"), ready("client")]);
    await lab.exec("red/client", ["ping", "-c", "1", "-W", "2", "10.10.0.50"]);
    const ping = startPing("red/client", "10.10.0.50", 6);
    await create({ name: "second", node: "node2", annotations: same });
    expect(await untilRefused("second")).toBe("ADDRESS_HELD: 10.10.0.50 belongs to pod red/first");
    await expect
      .poll(() => lab.kubectl(["get", "events", "-n", "red", "-o", "jsonpath={.items[*].message}"]), {
        timeout: 10_000,
      })
      .toContain("(add): 10.10.0.50 belongs to pod red/first");
    expect((await ping).lost).toEqual([]);
    await end("first");
    expect((await ready("second"))[0]).toBe("10.10.0.50");
    expect(cluster.pods.get("red/second")?.metadata?.annotations).not.toHaveProperty("ovenbird.io/refused");
    await Promise.all([end("second"), end("client")]);
  });
});

describe("what outlives pods", () => {
  it("is a StatefulSet's by ordinal, on any node and after a restart of the controller", async () => {
    const db = { name: "db-0", owner: "StatefulSet/db" };
    await create({ ...db, node: "node1" });
    const before = await ready("db-0");
    await end("db-0");
    await lab.kill("controller");
    await lab.ready();
    await create({ name: "other", node: "node1" });
    expect((await ready("other"))[0]).not.toBe(before[0]);
    await create({ ...db, node: "node2" });
    expect(await ready("db-0")).toEqual(before);
    await Promise.all([end("db-0"), end("other")]);
    await lab.kubectl(["delete", "ipaddress", "red.db-0.flat"]);
  });

  it("is whoever's who bears the key, one pod at a time, until its time is over", async () => {
    const sticky = { "ovenbird.io/sticky": "cart", "ovenbird.io/sticky-ttl": "6s" };
    await create({ name: "one", node: "node1", annotations: sticky });
    const before = await ready("one");
    await create({ name: "two", node: "node2", annotations: sticky });
    expect(await untilRefused("two")).toBe("ADDRESS_HELD: what sticky key cart keeps belongs to pod red/one");
    await end("one");
    expect(await ready("two")).toEqual(before);
    await end("two");
    expect((await holdings("flat")).map(({ keptBy, addresses }) => [keptBy, addresses[0]])).toEqual([
      ["red.cart.flat", before[0]],
    ]);
    await expect.poll(() => holdings("flat"), { timeout: 20_000 }).toEqual([]);
    expect(await lab.kubectl(["get", "ipaddresses", "-o", "name"])).toBe("");
  });

  it("can be reserved before anybody is there, by a pool or by an IPAddress", async () => {
    const input = listOf({
      ...{ apiVersion, kind: "IPAddress", metadata: { name: "mail" } },
      spec: { subnet: "flat", namespace: "red", holder: "mail-0", addresses: ["10.10.0.25"] },
    });
    await lab.kubectl(["apply", "-f", "-"], { input });
    await lab.kubectl(["wait", "ipaddress/mail", "--for=condition=Ready", "--timeout=10s"]);
    await create({ name: "thief", node: "node1", annotations: { "ovenbird.io/ip": "10.10.0.25" } });
    expect(await untilRefused("thief")).toBe("ADDRESS_HELD: 10.10.0.25 belongs to IPAddress mail");
    await end("thief");
    await create({ name: "greedy", node: "node1", annotations: { "ovenbird.io/ip": "10.10.9.0" } });
    expect(await untilRefused("greedy")).toBe(
      "POOL_NOT_ALLOWED: 10.10.9.0 is in pool fronts, which is kept for others",
    );
    await end("greedy");
    const fronts = [0, 1, 2].map((ordinal) => ({ name: `front-${ordinal}`, owner: "StatefulSet/front" }));
    await create({ name: "mail-0", node: "node2" });
    for (const front of fronts) await create({ ...front, node: "node1" });
    expect((await ready("mail-0"))[0]).toBe("10.10.0.25");
    expect([(await ready("front-0"))[0], (await ready("front-1"))[0]].sort()).toEqual(["10.10.9.0", "10.10.9.1"]);
    expect(await untilRefused("front-2")).toContain("SUBNET_POOL_EXHAUSTED: pool fronts has no free IPv4 address");
    await Promise.all([...fronts.map(({ name }) => end(name)), end("mail-0")]);
    await lab.kubectl(["delete", "ipaddress", "--all"]);
    await expectNothingLeaked();
  });
});

it(`${many} pods at once on two nodes, and a controller that is killed meanwhile, leave no duplicate and no leak`, async () => {
  const names = Array.from({ length: many }, (_, index) => `many-${index}`);
  const begin = performance.now();
  const created = Promise.all(names.map((name, index) => create({ name, node: index % 2 === 0 ? "node1" : "node2" })));
  // It is awaited below, where its failure is told, unless something else has failed before.
  created.catch(() => undefined);
  // In the midst of it: some have been told, some not.
  const isTold = (name: string) => told(cluster.pods.get(`red/${name}`)).length > 0;
  await expect.poll(() => names.filter(isTold).length, { interval: 5, timeout: 30_000 }).toBeGreaterThan(10);
  const toldBefore = new Map(names.filter(isTold).map((name) => [name, told(cluster.pods.get(`red/${name}`))]));
  await lab.kill("controller");
  await created;
  await Promise.all(names.map((name) => cluster.until(`red/${name}`, "told", (pod) => told(pod).length > 0, 60_000)));
  console.info(
    `${toldBefore.size} of ${many} were told before the controller was killed, all after ${Math.round(performance.now() - begin)} ms`,
  );
  const all = names.map((name) => told(cluster.pods.get(`red/${name}`)));
  for (const [name, before] of toldBefore) expect(told(cluster.pods.get(`red/${name}`))).toEqual(before);
  for (const part of [0, 1, 2]) expect(new Set(all.map((each) => each[part])).size).toBe(many);
  await expectNothingLeaked({ pods: many, holdings: many, rows: many });
  await Promise.all(names.slice(0, 20).map((name) => cluster.until(`red/${name}`, "ready", isReady)));
  const { differences } = await untilAsFromScratch(cluster.client, networkOf(lab), northboundOf(lab));
  expect(differences).toEqual([]);
  await Promise.all(names.map((name) => cluster.delete(`red/${name}`)));
  await Promise.all(names.map((name) => cluster.untilGone(`red/${name}`)));
  await expectNothingLeaked({ holdings: 0, rows: 0 });
});
