import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Lab, type ProbeSpec, placeOf, startLab } from "../../../lab/index.ts";
import {
  getLink,
  inNamespace,
  openPacketSocket,
  openRouteSocket,
  type PacketSocket,
} from "../../../node/netlink/index.ts";
import { type Cluster, openCluster } from "../cluster.ts";
import { networkOf, northboundOf } from "../network.ts";
import { untilAsFromScratch } from "../northbound.ts";
import { startFrameCapture } from "./capture.ts";
import { type Flooder, floodFrame, floodOf, type Kind, kinds } from "./frames.ts";
import {
  listOf,
  namespaceObject,
  serviceObject,
  subnetObject,
  type TenantSpec,
  tenantObject,
  tenantPodObject,
} from "./objects.ts";

/**
 * Tenants on the wire. `red` and `blue` have one network, and in it pods of the same addresses and hardware addresses on
 * the same nodes; `green` has another one, and `default` is whoever has no tenant.
 */

const twins = ["red", "blue"] as const;
const twinNetworks = ["10.10.0.0/16", "fd10::/64"] as const;
const families = ["ipv4", "ipv6"] as const;
/** On which node a pod is, and its last byte. */
const places = {
  here: { node: "node1", host: 11 },
  beside: { node: "node1", host: 12 },
  there: { node: "node2", host: 13 },
} as const;
type PlaceName = keyof typeof places;
const placeNames = Object.keys(places) as readonly PlaceName[];

const addressesOf = (place: PlaceName) => [`10.10.0.${places[place].host}`, `fd10::${places[place].host}`] as const;
const macOf = (place: PlaceName) => `0a:00:00:00:00:${places[place].host}`;

let lab: Lab;
let cluster: Cluster;

const apply = (...items: readonly object[]) => lab.kubectl(["apply", "-f", "-"], { input: listOf(...items) });
const change = (tenant: string, spec: TenantSpec) => apply(tenantObject(tenant, spec));

function twinPod(namespace: string, name: PlaceName): object {
  const annotations = { "ovenbird.io/ip": addressesOf(name).join(), "ovenbird.io/mac": macOf(name) };
  return tenantPodObject({
    ...{ namespace, name, node: places[name].node, annotations },
    ...{ labels: { app: "echo" }, ports: [8080, 9090] },
  });
}

beforeAll(async () => {
  lab = await startLab({ name: "tenants", nodes: 2, demoPods: false });
  cluster = await openCluster(lab.kubeconfig);
  await apply(
    ...[...twins, "green"].map(namespaceObject),
    ...twins.map((name) => tenantObject(name)),
    tenantObject("green"),
    ...twins.map((name) => subnetObject(`${name}-flat`, { tenant: name, mode: "Cluster", cidrs: twinNetworks })),
    subnetObject("green-pods", { tenant: "green", mode: "PerNode", cidrs: ["10.20.0.0/16", "fd20::/48"] }),
  );
  // A pod that is there before its tenant is, is the default tenant's until it ends.
  await lab.kubectl(["wait", "--for=condition=Ready", "--timeout=20s", "tenants,subnets", "--all"]);
  await apply(
    ...[...twins, "default"].map((namespace) => serviceObject(namespace, "echo", { app: "echo" })),
    ...twins.flatMap((namespace) => placeNames.map((place) => twinPod(namespace, place))),
    tenantPodObject({ namespace: "green", name: "here", node: "node1" }),
    tenantPodObject({ namespace: "green", name: "there", node: "node2" }),
    tenantPodObject({ namespace: "default", name: "plain", node: "node1", labels: { app: "echo" } }),
  );
  const pods = twins.flatMap((tenant) => placeNames.map((place) => `${tenant}/${place}`));
  await Promise.all([...pods, "green/here", "green/there", "default/plain"].map((key) => cluster.untilReady(key)));
});

afterAll(async () => {
  await cluster?.close();
  await lab?.down();
});

const nobody = "nobody";

/** Who answers each probe, or what becomes of it; each in both families. */
async function answers(
  ways: readonly (Pick<ProbeSpec, "from" | "to"> & Partial<ProbeSpec>)[],
): Promise<Readonly<Record<string, string>>> {
  const asked = ways.flatMap((way) => families.map((family): ProbeSpec => ({ port: 8080, ...way, family })));
  const outcomes = await lab.probe(asked);
  return Object.fromEntries(
    asked.map(({ from, to, port, protocol = "tcp", family }, index) => {
      const outcome = outcomes[index];
      // Where the tenant has no such network the packet goes out, and a router there may say that it knows none either.
      const isUnanswered = outcome?.verdict === "dropped" || outcome?.verdict === "refused";
      const said = isUnanswered ? nobody : (outcome?.peer ?? outcome?.error);
      return [`${from} → ${to} ${protocol} ${port} ${family}`, said ?? "somebody"];
    }),
  );
}

/** The same answers, by what should be: probes by their sender and target, and who is to answer. */
async function expectAnswers(wanted: readonly (readonly [from: string, to: string, answer: string, port?: number])[]) {
  await expect
    .poll(() => answers(wanted.map(([from, to, , port]) => ({ from, to, ...(port === undefined ? {} : { port }) }))), {
      timeout: 20_000,
    })
    .toEqual(
      Object.fromEntries(
        wanted.flatMap(([from, to, answer, port = 8080]) =>
          families.map((family) => [`${from} → ${to} tcp ${port} ${family}`, answer]),
        ),
      ),
    );
}

describe("two tenants of one network, with pods of the same addresses", () => {
  it("have them as they were asked for, and unique ones for the cluster beside them", async () => {
    for (const place of placeNames) {
      const infrastructure = twins.flatMap(
        (tenant) => cluster.pods.get(`${tenant}/${place}`)?.status?.podIPs?.map(({ ip }) => ip) ?? [],
      );
      expect(new Set(infrastructure).size).toBe(twins.length * families.length);
      for (const tenant of twins) {
        const { namespace } = await placeOf(lab.layout, `${tenant}/${place}`);
        using socket = openRouteSocket(namespace);
        expect(getLink(socket, "eth0")?.mac).toBe(macOf(place));
        const listed = await lab.exec(`${tenant}/${place}`, ["ip", "-brief", "address", "show", "eth0"]);
        for (const address of addressesOf(place)) expect(listed).toContain(` ${address}/`);
        for (const address of infrastructure.filter((one) => listed.includes(` ${one}/`)))
          expect(cluster.pods.get(`${tenant}/${place}`)?.status?.podIPs).toContainEqual({ ip: address });
      }
    }
  });

  it("are each answered by their own, by name, by either address and by service", async () => {
    await expectAnswers(
      twins.flatMap((tenant) => [
        [`${tenant}/here`, `subnet:${tenant}/there`, `${tenant}/there`] as const,
        [`${tenant}/there`, `subnet:${tenant}/here`, `${tenant}/here`] as const,
        [`${tenant}/here`, `${tenant}/there`, `${tenant}/there`] as const,
        [`${tenant}/there`, "outside", "outside"] as const,
      ]),
    );
  });

  it("are probed by the nodes, each pod by both nodes", async () => {
    // That all are Ready shows that kubelet is answered by them.
    await expectAnswers(
      twins.flatMap((tenant) =>
        placeNames.flatMap((place) =>
          lab.nodes.map((node) => [`node:${node}`, `${tenant}/${place}`, `${tenant}/${place}`] as const),
        ),
      ),
    );
  });

  it("reach their own service at all of its backends, by TCP and UDP, and find it by name", async () => {
    for (const tenant of twins) {
      const ways = ["tcp", "udp"].flatMap((protocol) =>
        Array.from({ length: 16 }, () => ({
          ...{ from: `${tenant}/here`, to: `service:${tenant}/echo`, protocol: protocol as "tcp" | "udp" },
        })),
      );
      const outcomes = await lab.probe(ways.flatMap((way) => families.map((family) => ({ ...way, family }))));
      expect(new Set(outcomes.map(({ verdict, peer }) => peer ?? verdict))).toEqual(
        new Set(placeNames.map((place) => `${tenant}/${place}`)),
      );
      const address = await lab.exec(`${tenant}/there`, ["getent", "ahostsv4", "echo"]);
      const service = await lab.kubectl(["get", "service", "echo", "-n", tenant, "-o", "jsonpath={.spec.clusterIP}"]);
      expect(address).toContain(service);
    }
  });

  it("reach nobody of each other, of another tenant or of the default one, nor are reached by them", async () => {
    await expectAnswers([
      ["red/here", "blue/there", nobody],
      ["blue/there", "red/here", nobody],
      ["red/here", "service:blue/echo", nobody, 80],
      ["red/there", "green/here", nobody],
      ["red/there", "subnet:green/here", nobody],
      ["green/here", "blue/there", nobody],
      ["green/here", "subnet:blue/there", nobody],
      ["red/here", "default/plain", nobody],
      ["red/here", "service:default/echo", nobody, 80],
      ["default/plain", "red/here", nobody],
      ["default/plain", "service:red/echo", nobody, 80],
      ["default/plain", "subnet:green/there", nobody],
      ["outside", "red/here", nobody],
    ]);
  });
});

describe("a flood", () => {
  const flooders: readonly Flooder[] = twins.map((tenant, index) => {
    const [ipv4, ipv6] = addressesOf("here");
    return { tenant, mac: macOf("here"), ipv4, ipv6, mark: 102 + index };
  });
  /** Of each kind, from each flooder. */
  const frames = 400;
  const heard = new Map<string, Map<string, number>>();

  async function socketIn(pod: string): Promise<PacketSocket> {
    const { namespace } = await placeOf(lab.layout, pod);
    using socket = openRouteSocket(namespace);
    const { index } = getLink(socket, "eth0") ?? { index: 0 };
    return inNamespace(namespace, () => openPacketSocket(index));
  }

  beforeAll(async () => {
    const pods = twins.flatMap((tenant) => placeNames.map((place) => `${tenant}/${place}`));
    const captures = await Promise.all(
      pods.map(async (pod) => {
        const { namespace } = await placeOf(lab.layout, pod);
        return { pod, capture: await startFrameCapture(namespace, "eth0") };
      }),
    );
    const sockets = await Promise.all(
      flooders.map(async (flooder) => ({ flooder, socket: await socketIn(`${flooder.tenant}/here`) })),
    );
    for (let turn = 0; turn < frames; turn += 1) {
      for (const kind of kinds) for (const { flooder, socket } of sockets) socket.send(floodFrame(kind, flooder, turn));
      // About as fast as the userspace datapath takes them, so that storm control and queues are not what is measured.
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    // Whatever is still on its way is behind this in every queue.
    await lab.probe(twins.map((tenant) => ({ from: `${tenant}/here`, to: `subnet:${tenant}/there`, port: 8080 })));
    for (const { socket } of sockets) socket.close();
    for (const { pod, capture } of captures) {
      const counts = new Map<string, number>();
      for (const frame of await capture.stop()) {
        const flood = floodOf(frame, flooders);
        const what = flood === undefined ? "other" : `${flood.tenant}: ${flood.kind}`;
        counts.set(what, (counts.get(what) ?? 0) + 1);
      }
      heard.set(pod, counts);
    }
    console.info(Object.fromEntries([...heard].map(([pod, counts]) => [pod, Object.fromEntries(counts)])));
  });

  it.each(kinds)("of %s in one tenant is never seen in the other", (kind) => {
    for (const tenant of twins)
      for (const place of placeNames) {
        const other = tenant === "red" ? "blue" : "red";
        expect(heard.get(`${tenant}/${place}`)?.get(`${other}: ${kind}`) ?? 0).toBe(0);
      }
  });

  it.each(["ARP", "neighbour discovery", "broadcast", "IPv4 multicast", "IPv6 multicast"] satisfies Kind[])(
    "of %s is seen by the tenant's own pods on both nodes, so the captures do see",
    (kind) => {
      for (const tenant of twins)
        for (const place of ["beside", "there"])
          expect(heard.get(`${tenant}/${place}`)?.get(`${tenant}: ${kind}`) ?? 0).toBeGreaterThan(0);
    },
  );

  it.each(["unknown unicast, IPv4", "unknown unicast, IPv6"] satisfies Kind[])("of %s is seen by nobody", (kind) => {
    for (const [pod, counts] of heard)
      for (const tenant of twins) expect([pod, counts.get(`${tenant}: ${kind}`) ?? 0]).toEqual([pod, 0]);
  });
});

describe("peers", () => {
  const between = (answer: (pod: string) => string) =>
    [
      ["red/here", "subnet:green/there", answer("green/there")],
      ["red/there", "green/here", answer("green/here")],
      ["green/here", "subnet:red/there", answer("red/there")],
      ["green/there", "red/here", answer("red/here")],
    ] as const;

  it("do not meet while only one of them names the other", async () => {
    await change("red", { peers: ["green"] });
    await expect
      .poll(() => lab.kubectl(["get", "tenant", "red", "-o", "jsonpath={.status.observedGeneration}"]), {
        timeout: 10_000,
      })
      .toBe("2");
    await expectAnswers(between(() => nobody));
  });

  it("meet when each names the other, by either address", async () => {
    await change("green", { peers: ["red"] });
    await expectAnswers(between((pod) => pod));
  });

  it("open nothing else: not to the twin, not to the default tenant, not to outside", async () => {
    await expectAnswers([
      ["blue/here", "subnet:green/there", nobody],
      ["blue/here", "green/there", nobody],
      // Green knows one network 10.10.0.0/16, and that is red's.
      ["green/here", "blue/there", nobody],
      ["blue/here", "red/there", nobody],
      ["red/here", "default/plain", nobody],
      ["default/plain", "green/there", nobody],
      ["outside", "green/there", nobody],
    ]);
  });

  it("of peers are strangers", async () => {
    await change("default", { peers: ["green"] });
    await change("green", { peers: ["red", "default"] });
    await expectAnswers([
      ["default/plain", "green/there", "green/there"],
      ["green/there", "default/plain", "default/plain"],
      ["red/here", "green/there", "green/there"],
      ["red/here", "default/plain", nobody],
      ["default/plain", "red/here", nobody],
    ]);
  });

  it("part when one of them no longer names the other", async () => {
    await change("green", { peers: [] });
    await expectAnswers([
      ...between(() => nobody),
      ["default/plain", "green/there", nobody],
      ["red/here", "subnet:red/there", "red/there"],
    ]);
  });
});

describe("a service that is shared", () => {
  it("is answered, at its port and no other, and only for who may use it", async () => {
    await change("blue", {
      services: [
        { namespace: "default", name: "kubernetes" },
        { namespace: "kube-system", name: "kube-dns" },
        { namespace: "red", name: "echo" },
      ],
    });
    await expect
      .poll(
        async () => {
          const outcomes = await lab.probe(
            families.flatMap((family) =>
              Array.from({ length: 16 }, () => ({ from: "blue/here", to: "service:red/echo", family })),
            ),
          );
          return [...new Set(outcomes.map(({ verdict, peer }) => peer ?? verdict))].sort();
        },
        { timeout: 20_000 },
      )
      .toEqual(["red/beside", "red/here", "red/there"]);
    await expectAnswers([
      ["blue/here", "red/there", nobody, 9090],
      ["red/here", "blue/there", nobody],
      ["red/here", "service:blue/echo", nobody, 80],
      ["green/here", "service:red/echo", nobody, 80],
      ["blue/here", "service:default/echo", nobody, 80],
    ]);
  });

  it("is shut again when it is no longer shared", async () => {
    await change("blue", {});
    await expectAnswers([["blue/there", "service:red/echo", nobody, 80]]);
  });
});

/** Resolves once the object's condition Ready says so. @returns its message */
async function untilCondition(target: string, reason: string): Promise<string> {
  const path = (field: string) => `{.status.conditions[?(@.type=="Ready")].${field}}`;
  const read = (field: string) => lab.kubectl(["get", target, "-o", `jsonpath=${path(field)}`]);
  await expect.poll(() => read("reason"), { timeout: 10_000 }).toBe(reason);
  return read("message");
}

const remove = (...targets: readonly string[]) => lab.kubectl(["delete", ...targets]);

describe("what can't be", () => {
  it("is told on the object: a network twice in a tenant, one of the nodes, a namespace twice, a pool elsewhere", async () => {
    await apply(
      subnetObject("red-again", { tenant: "red", mode: "PerNode", cidrs: ["10.10.128.0/17"] }),
      subnetObject("red-nodes", { tenant: "red", mode: "Cluster", cidrs: ["172.18.0.0/24"] }),
      { ...tenantObject("thief"), spec: { namespaces: { names: ["red"] } } },
      {
        ...{ apiVersion: "ovenbird.io/v1alpha1", kind: "IPPool", metadata: { name: "elsewhere" } },
        spec: { subnet: "red-flat", addresses: ["10.99.0.1-10.99.0.9"] },
      },
    );
    expect(await untilCondition("subnet/red-again", "SubnetOverlap")).toContain("red-flat");
    await untilCondition("subnet/red-nodes", "SubnetOverlap");
    expect(await untilCondition("tenant/thief", "NamespaceClaimed")).toContain("red");
    await untilCondition("ippool/elsewhere", "PoolOutsideSubnet");
    await expectAnswers([["red/here", "subnet:red/there", "red/there"]]);
    await remove("subnet/red-again", "subnet/red-nodes", "tenant/thief", "ippool/elsewhere");
  });

  it("is refused by the API server: another mode, another tenant", async () => {
    for (const spec of [{ mode: "PerNode" }, { tenant: "blue" }])
      await expect(
        lab.kubectl(["patch", "subnet", "red-flat", "--type=merge", "-p", JSON.stringify({ spec })]),
      ).rejects.toThrow("can't be changed");
  });

  it("a pod of a tenant without subnet waits, says why, and is there once there is one", async () => {
    await apply(namespaceObject("bare"), tenantObject("bare"));
    await untilCondition("tenant/bare", "Ready");
    await apply(tenantPodObject({ namespace: "bare", name: "early", node: "node1" }));
    await cluster.until("bare/early", "refused", (pod) =>
      (pod?.metadata?.annotations?.["ovenbird.io/refused"] ?? "").includes("NO_SUBNET"),
    );
    await apply(
      subnetObject("bare-pods", { tenant: "bare", mode: "PerNode", cidrs: twinNetworks, nodePrefixLengths: [24, 80] }),
    );
    await cluster.untilReady("bare/early");
    await expectAnswers([
      ["node:node2", "bare/early", "bare/early"],
      ["red/here", "bare/early", nobody],
    ]);
  });

  it("a tenant and its subnet that are in use stay until the last pod ends, and give out nothing", async () => {
    await lab.kubectl(["delete", "tenant/bare", "subnet/bare-pods", "--wait=false"]);
    await lab.kubectl(["wait", "--for=condition=InUse", "--timeout=10s", "tenant/bare", "subnet/bare-pods"]);
    await apply(tenantPodObject({ namespace: "bare", name: "late", node: "node1" }));
    await cluster.until(
      "bare/late",
      "refused",
      (pod) => pod?.metadata?.annotations?.["ovenbird.io/refused"] !== undefined,
    );
    await expectAnswers([
      ["node:node2", "bare/early", "bare/early"],
      ["red/here", "bare/early", nobody],
    ]);
    await Promise.all(["bare/early", "bare/late"].map((key) => cluster.delete(key)));
    await Promise.all(["bare/early", "bare/late"].map((key) => cluster.untilGone(key)));
    await lab.kubectl(["wait", "--for=delete", "--timeout=10s", "tenant/bare", "subnet/bare-pods"]);
  });
});

it("a controller that is killed finds all of it again", async () => {
  await lab.kill("controller");
  await apply(tenantPodObject({ namespace: "green", name: "new", node: "node1" }));
  await lab.ready();
  await cluster.untilReady("green/new");
  await expectAnswers([
    ["green/new", "subnet:green/there", "green/there"],
    ...twins.map((tenant) => [`${tenant}/here`, `subnet:${tenant}/there`, `${tenant}/there`] as const),
    ["red/here", "blue/there", nobody],
  ]);
});

it("all of it is in the database as a translation from scratch has it", async () => {
  const { differences } = await untilAsFromScratch(cluster.client, networkOf(lab), northboundOf(lab));
  expect(differences).toEqual([]);
});
