import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { endpointSlices, events, services } from "../../kube/index.ts";
import { type Lab, startLab } from "../../lab/index.ts";
import { run } from "../../lab/topology/run.ts";
import { type Cluster, openCluster } from "./cluster.ts";
import { northboundOf } from "./network.ts";
import { readOurRows } from "./northbound.ts";
import { type Conversation, converse, streamDatagrams } from "./services/flows.ts";
import { families, familyOf, type Scene, type Service, servicePorts, setScene } from "./services/scene.ts";
import { addressPool, ingressOf } from "./services/services.ts";

/** What goes wrong around Services, and what must not notice. */

let lab: Lab;
let cluster: Cluster;
let scene: Scene;

beforeAll(async () => {
  lab = await startLab({ name: "servicefaults", nodes: 3, demoPods: false });
  cluster = await openCluster(lab.kubeconfig);
  scene = await setScene(lab, cluster);
  await lab.kubectl(["apply", "-f", "-"], { input: JSON.stringify(addressPool) });
});

afterAll(async () => {
  await scene?.close();
  await cluster?.close();
  await lab?.down();
});

const ports = servicePorts.filter(({ protocol }) => protocol !== "SCTP");
const slicesOf = (...pods: readonly string[]) => pods.map((pod) => ({ pod }));

async function createService(name: string, spec: Readonly<Record<string, unknown>> = {}): Promise<void> {
  await cluster.client.create(
    services,
    { namespace: "default" },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name, namespace: "default" },
      spec: { ipFamilyPolicy: "PreferDualStack", ports, ...spec },
    },
  );
  await scene.refresh();
}

const deleteService = (name: string) => cluster.client.delete(services, { namespace: "default", name });

function clusterIp(name: string, family: (typeof families)[number]): string {
  const found = scene.service(name).spec?.clusterIPs?.find((address) => familyOf(address) === family);
  if (found === undefined) throw new Error(`${name} has no ${family} address`);
  return found;
}

const namespaceOf = (name: string) => scene.sources.find((source) => source.name === name)?.namespace ?? "";

/** Who answers at a service's cluster address, asked once from the pod `near`; undefined when nobody does. */
async function peerOf(name: string, family: (typeof families)[number] = "ipv4"): Promise<string | undefined> {
  const result = await scene.prober.probe({
    ...{ namespace: namespaceOf("default/near"), to: clusterIp(name, family), port: 80 },
    ...{ protocol: "tcp", timeoutMs: 1300 },
  });
  return result.peer;
}

/** Resolves once somebody answers, in both families. */
async function untilAnswered(name: string): Promise<void> {
  for (const family of families)
    await expect.poll(() => peerOf(name, family), { timeout: 15_000, interval: 100 }).toBeTypeOf("string");
}

const isOf = (name: string, owner: string) => owner.split("#")[0] === `Service/default/${name}`;

/** Rows that a service owns, in words. */
async function rowsOf(name: string): Promise<readonly string[]> {
  const rows = [...(await readOurRows(northboundOf(lab))).values()];
  return rows.filter(({ owner }) => isOf(name, owner)).map(({ table, row }) => `${table} ${String(row._uuid)}`);
}

/** Resolves with the messages of Events of this reason about a service. */
async function untilEvent(name: string, reason: string): Promise<string> {
  let message = "";
  await expect
    .poll(
      async () => {
        const list = await cluster.client.list<Record<string, unknown>>(events, { namespace: "default" });
        const found = list.items.find(
          (event) =>
            (event.involvedObject as { name?: string; kind?: string } | undefined)?.kind === "Service" &&
            (event.involvedObject as { name?: string } | undefined)?.name === name &&
            event.reason === reason,
        );
        message = String(found?.message ?? "");
        return found !== undefined;
      },
      { timeout: 15_000, interval: 200 },
    )
    .toBe(true);
  return message;
}

interface Load {
  /** Ends it. @returns how many new connections were tried, and those that failed, with their moments (performance.now()) */
  stop(): Promise<{
    readonly tried: number;
    readonly failures: readonly { readonly at: number; readonly why: string }[];
  }>;
}

/** New TCP connections all the time: one every `everyMs`, by turns from each namespace. */
function newConnections(namespaces: readonly string[], to: readonly string[], everyMs: number): Load {
  let tried = 0;
  const failures: { at: number; why: string }[] = [];
  const open = new Set<Promise<void>>();
  const timer = setInterval(() => {
    const at = performance.now();
    const namespace = namespaces[tried % namespaces.length] ?? "";
    const address = to[Math.floor(tried / namespaces.length) % to.length] ?? "";
    tried += 1;
    const one = scene.prober
      .probe({ namespace, to: address, port: 80, protocol: "tcp", timeoutMs: 3000 })
      .then(({ verdict, peer, error }) => {
        if (verdict !== "connected" || peer === undefined)
          failures.push({ at, why: error ?? `${verdict} by ${address}` });
      })
      .finally(() => open.delete(one));
    open.add(one);
  }, everyMs);
  return {
    async stop() {
      clearInterval(timer);
      await Promise.all(open);
      return { tried, failures };
    },
  };
}

describe("a restart of the controller", () => {
  it("interrupts no connection, neither running nor new ones, and ends with the same rows", async () => {
    await createService("steady", { type: "NodePort" });
    await scene.writeSlices("steady", slicesOf("b1", "b2"));
    await untilAnswered("steady");
    const sources = ["default/near", "default/far", "node1"].map(namespaceOf);
    const addresses = families.map((family) => clusterIp("steady", family));
    const conversations = sources.flatMap((namespace) => addresses.map((address) => converse(namespace, address, 80)));
    const first = await Promise.all(conversations.map((one) => one.settled(5000)));
    expect(first.filter((peer) => peer === undefined)).toEqual([]);
    const load = newConnections(sources, addresses, 20);
    const before = await rowsOf("steady");
    await lab.kill("controller");
    await lab.ready();
    await delay(2000);
    const { tried, failures } = await load.stop();
    for (const one of conversations) one.close();
    console.info(
      `controller killed: ${tried} new connections, ${failures.length} failed; ${conversations.length} kept`,
    );
    expect(failures).toEqual([]);
    expect(conversations.filter(({ broken }) => broken !== undefined)).toEqual([]);
    expect(conversations.every(({ sent, answered }) => answered >= sent - 2)).toBe(true);
    expect([...(await rowsOf("steady"))].sort()).toEqual([...before].sort());
  });
});

describe("bad input", () => {
  beforeAll(async () => {
    await createService("sound");
    await scene.writeSlices("sound", slicesOf("b1"));
  });

  it("an external address that two services claim stays with the older one", async () => {
    const externalIPs = ["198.51.100.77"];
    await createService("older", { externalIPs });
    await scene.writeSlices("older", slicesOf("b1"));
    await untilAnswered("older");
    // Creation times have whole seconds.
    await delay(1100);
    await createService("younger", { externalIPs });
    await scene.writeSlices("younger", slicesOf("b2"));
    await untilAnswered("younger");
    expect(await untilEvent("younger", "ServiceVipConflict")).toContain("198.51.100.77");
    const ask = async () =>
      (
        await scene.prober.probe({
          ...{ namespace: namespaceOf("default/near"), to: "198.51.100.77", port: 80 },
          ...{ protocol: "tcp", timeoutMs: 1300 },
        })
      ).peer;
    await expect.poll(ask, { timeout: 5000 }).toBe("default/b1");
    await deleteService("older");
    await expect.poll(ask, { timeout: 10_000 }).toBe("default/b2");
    await deleteService("younger");
  });

  it("a node port that two services have stays with the older one", async () => {
    await createService("port-owner", { type: "NodePort", ports: [{ ...ports[0], nodePort: 31_777 }] });
    await scene.writeSlices("port-owner", slicesOf("b1"));
    await untilAnswered("port-owner");
    await delay(1100);
    // No API server gives a port twice; but one takes the number of a health check as it is told, and then it is the
    // service's own.
    const twice = { type: "LoadBalancer", externalTrafficPolicy: "Local", healthCheckNodePort: 31_777 };
    await createService("port-thief", { ...twice, ports: [ports[0]] });
    const patch = { spec: { ports: [{ ...ports[0], nodePort: 31_777 }] } };
    await cluster.client.patch(services, { namespace: "default", name: "port-thief" }, patch, { type: "merge" });
    await scene.writeSlices("port-thief", slicesOf("b2"));
    expect(await untilEvent("port-thief", "ServiceVipConflict")).toContain("31777");
    const ask = async () =>
      (
        await scene.prober.probe({
          ...{ namespace: namespaceOf("outside"), to: scene.nodeAddresses("node1")[0] ?? "", port: 31_777 },
          ...{ protocol: "tcp", timeoutMs: 1300 },
        })
      ).peer;
    await expect.poll(ask, { timeout: 5000 }).toBe("default/b1");
    await deleteService("port-thief");
    await deleteService("port-owner");
  });

  async function writeSlice(service: string, endpoints: readonly string[], addressType = "IPv4"): Promise<void> {
    await cluster.client.create(
      endpointSlices,
      { namespace: "default" },
      {
        apiVersion: "discovery.k8s.io/v1",
        kind: "EndpointSlice",
        metadata: {
          name: `${service}-by-hand-${addressType.toLowerCase()}`,
          namespace: "default",
          labels: { "kubernetes.io/service-name": service },
        },
        addressType,
        ports: ports.map(({ name, protocol }) => ({ name, protocol, port: 8080 })),
        endpoints: endpoints.map((address) => ({ addresses: [address], conditions: { ready: true } })),
      },
    );
  }

  it("endpoints that no subnet has are said, and the others are used", async () => {
    await createService("strangers", { selector: { app: "nothing-has-this" } });
    await writeSlice("strangers", [scene.podAddress("b1", "ipv4"), "192.0.2.99"]);
    expect(await untilEvent("strangers", "EndpointOutsideCluster")).toContain("192.0.2.99");
    await expect.poll(() => peerOf("strangers"), { timeout: 10_000 }).toBe("default/b1");
    await deleteService("strangers");
  });

  it("endpoints that nothing can reach are left out, and said", async () => {
    await createService("unreachable");
    await writeSlice("unreachable", [scene.podAddress("b1", "ipv4"), "127.0.0.1", "224.0.0.5"]);
    expect(await untilEvent("unreachable", "InvalidEndpoint")).toContain("127.0.0.1");
    // What is said may be said before the rest is on every node.
    await expect.poll(() => peerOf("unreachable"), { timeout: 10_000, interval: 100 }).toBe("default/b1");
    for (let asked = 0; asked < 8; asked += 1) expect(await peerOf("unreachable")).toBe("default/b1");
    await deleteService("unreachable");
  });

  it("a slice with a thousand endpoints is one virtual address with a thousand backends", async () => {
    await createService("crowd");
    const addresses = Array.from(
      { length: 999 },
      (_, index) => `10.244.${200 + Math.floor(index / 250)}.${1 + (index % 250)}`,
    );
    await writeSlice("crowd", [...addresses, scene.podAddress("b1", "ipv4")]);
    const [row] = (await untilRows("crowd")).filter(({ row }) => String(row.name).endsWith("#cluster.tcp"));
    const vips = row?.row.vips as ReadonlyMap<string, string>;
    const backends = new Set(vips.get(`${clusterIp("crowd", "ipv4")}:80`)?.split(","));
    expect(backends.size).toBe(1000);
    await expect.poll(() => peerOf("sound"), { timeout: 20_000 }).toBe("default/b1");
    await deleteService("crowd");
  });

  async function untilRows(name: string) {
    const read = async () =>
      [...(await readOurRows(northboundOf(lab))).values()].filter(
        ({ owner, row }) =>
          isOf(name, owner) &&
          [...((row.vips ?? new Map()) as ReadonlyMap<string, string>).values()].some((value) => value !== ""),
      );
    await expect.poll(async () => (await read()).length, { timeout: 10_000 }).toBeGreaterThan(0);
    return read();
  }

  it("a slice of another family than the service has is ignored, an external address of one is said", async () => {
    await createService("mixed", {
      ipFamilies: ["IPv4"],
      ipFamilyPolicy: "SingleStack",
      externalIPs: ["2001:db8:51::77"],
    });
    await writeSlice("mixed", [scene.podAddress("b1", "ipv4")]);
    await writeSlice("mixed", [scene.podAddress("b2", "ipv6")], "IPv6");
    expect(await untilEvent("mixed", "ServiceFamilyMismatch")).toContain("2001:db8:51::77");
    await expect.poll(() => peerOf("mixed"), { timeout: 10_000 }).toBe("default/b1");
    await deleteService("mixed");
  });

  it("a service without ports is said, and nothing is made for it", async () => {
    // The API refuses ClusterIP without ports; a headless one may have none, and becomes ordinary by no update.
    await expect(createService("portless", { ports: [] })).rejects.toMatchObject({ code: "INVALID" });
    await createService("portless", { ports: [], clusterIP: "None" });
    expect(await rowsOf("portless")).toEqual([]);
    await deleteService("portless");
  });

  it("all of it leaves the others working", async () => {
    for (const family of families) expect(await peerOf("sound", family)).toBe("default/b1");
  });
});

describe("a UDP flow that is older than its service", () => {
  it("is answered from when the service comes, though it never rested", async () => {
    const addresses = { ipv4: "10.96.200.1", ipv6: "fd00:10:96::c801" };
    const flows = scene.sources.flatMap(({ name, namespace, vantage }) =>
      vantage === "outside"
        ? []
        : families.map((family) => ({
            from: `${name} ${family}`,
            flow: streamDatagrams(namespace, { address: addresses[family], port: 80 }),
          })),
    );
    try {
      await delay(500);
      await createService("newborn", { clusterIP: addresses.ipv4, clusterIPs: Object.values(addresses) });
      await scene.writeSlices("newborn", slicesOf("b1"));
      const answered = await Promise.all(flows.map(({ flow }) => flow.until(["default/b1"], 5000)));
      expect(flows.filter((_, index) => !answered[index]).map(({ from }) => from)).toEqual([]);
    } finally {
      for (const { flow } of flows) flow.close();
    }
    await deleteService("newborn");
  });
});

describe("a service that is deleted", () => {
  it("leaves no row, and its address to the next one", async () => {
    const before = new Set((await readOurRows(northboundOf(lab))).keys());
    await createService("brief", {
      type: "LoadBalancer",
      externalTrafficPolicy: "Local",
      loadBalancerSourceRanges: ["172.18.0.0/16", "fd00:172:18::/64"],
      externalIPs: ["198.51.100.88"],
    });
    await scene.writeSlices("brief", slicesOf("b1", "b2"));
    await expect.poll(async () => (await rowsOf("brief")).length, { timeout: 10_000 }).toBeGreaterThan(5);
    await deleteService("brief");
    for (const family of families)
      await cluster.client.delete(endpointSlices, { namespace: "default", name: `brief-${family}` });
    await expect
      .poll(async () => [...(await readOurRows(northboundOf(lab))).entries()].filter(([uuid]) => !before.has(uuid)), {
        timeout: 10_000,
      })
      .toEqual([]);
    const groups = await lab.exec("central", [
      ...["ovn-nbctl", "--timeout=10", "--bare", "--columns=load_balancer", "list", "Load_Balancer_Group"],
    ]);
    const balancers = await lab.exec("central", [
      ...["ovn-nbctl", "--timeout=10", "--bare", "--columns=_uuid", "list", "Load_Balancer"],
    ]);
    const known = new Set(balancers.split(/\s+/));
    expect(groups.split(/\s+/).filter((uuid) => !known.has(uuid))).toEqual([]);
  });
});

describe("backends that stay", () => {
  const count = 10;
  const names = Array.from({ length: count }, (_, index) => `stable-${index}`);
  const tuples = 1000;

  /** Asks by UDP from as many source ports as there are tuples. @returns the backend of each */
  async function backendsOf(address: string): Promise<readonly (string | undefined)[]> {
    const found: (string | undefined)[] = [];
    for (let start = 0; start < tuples; start += 250) {
      const flows = Array.from({ length: 250 }, (_, index) =>
        streamDatagrams(
          namespaceOf("default/near"),
          { address, port: 80 },
          { sourcePort: 20_000 + start + index, everyMs: 400 },
        ),
      );
      const all = names.map((name) => `default/${name}`);
      await Promise.all(flows.map((flow) => flow.until(all, 3000)));
      for (const flow of flows) {
        found.push(flow.last?.peer);
        flow.close();
      }
    }
    return found;
  }

  /** Datagrams of a tuple that the datapath remembers would follow it: what is asked is where new flows go. */
  const forgetFlows = () => lab.exec("node1", ["ovs-appctl", "--timeout=10", "dpctl/flush-conntrack"]);
  const percent = (part: number) => `${(part * 100).toFixed(1)} %`;

  it("keep their connections when one of ten goes, and get no more than a tenth and 2 % of new flows anew", async () => {
    await Promise.all(names.map((name) => cluster.create({ name, udp: [8080] })));
    await Promise.all(names.map((name) => cluster.untilReady(`default/${name}`)));
    await createService("stable", { clusterIPs: ["10.96.200.1"], ipFamilyPolicy: "SingleStack" });
    await scene.writeSlices("stable", slicesOf(...names));
    await expect.poll(() => peerOf("stable"), { timeout: 15_000 }).toBeTypeOf("string");
    const movedShares: number[] = [];
    // How many of a thousand tuples a backend has is chance; three of them are nearer to a tenth than one.
    for (const gone of ["stable-3", "stable-0", "stable-7"]) {
      const conversations = Array.from({ length: 100 }, () =>
        converse(namespaceOf("default/near"), "10.96.200.1", 80, 200),
      );
      await Promise.all(conversations.map((one) => one.settled(5000)));
      const before = await backendsOf("10.96.200.1");
      await scene.writeSlices("stable", slicesOf(...names.filter((name) => name !== gone)));
      await delay(1500);
      const kept = conversations.filter(({ broken, peer }) => broken === undefined && peer !== undefined).length;
      for (const one of conversations) one.close();
      await forgetFlows();
      const after = await backendsOf("10.96.200.1");
      await scene.writeSlices("stable", slicesOf(...names));
      await delay(500);

      const share = before.filter((peer) => peer === `default/${gone}`).length / tuples;
      const moved = before.filter((peer, index) => peer !== after[index]).length / tuples;
      movedShares.push(moved);
      console.info(
        `${gone} of ${count} gone: it had ${percent(share)} of ${tuples} tuples; ${percent(moved)} moved, ` +
          `${percent(moved - share)} needlessly; ${kept} of ${conversations.length} connections kept`,
      );
      expect(before.concat(after).filter((peer) => peer === undefined)).toEqual([]);
      expect(after).not.toContain(`default/${gone}`);
      expect(kept).toBe(conversations.length);
      expect(moved).toBe(share);
    }
    const mean = movedShares.reduce((sum, one) => sum + one, 0) / movedShares.length;
    console.info(`new flows moved: ${percent(mean)} in the mean`);
    expect(mean).toBeLessThanOrEqual(1 / count + 0.02);
    await deleteService("stable");
    await Promise.all(names.map((name) => cluster.delete(`default/${name}`)));
    await Promise.all(names.map((name) => cluster.untilGone(`default/${name}`)));
  });
});

describe("a rolling update of 50 pods under load", () => {
  it("fails no new connection once endpoints are not ready, and breaks none before its pod ends", async () => {
    const size = 50;
    const step = 10;
    const old = Array.from({ length: size }, (_, index) => `old-${index}`);
    const fresh = Array.from({ length: size }, (_, index) => `new-${index}`);
    const start = async (names: readonly string[]) => {
      await Promise.all(names.map((name) => cluster.create({ name })));
      await Promise.all(names.map((name) => cluster.untilReady(`default/${name}`, 120_000)));
    };
    await start(old);
    await createService("rolling", { ports: [ports[0]] });
    await scene.writeSlices("rolling", slicesOf(...old));
    await untilAnswered("rolling");
    const clients = ["default/near", "default/far", "node1", "node3"].map(namespaceOf);
    const addresses = families.map((family) => clusterIp("rolling", family));
    const load = newConnections(clients, addresses, 10);
    const endedOnPurpose = new Set<string>();
    const lasting: { conversation: Conversation; broke: boolean }[] = [];
    let reconnects = 0;
    const begin = performance.now();
    const connect = (namespace: string, address: string) => {
      lasting.push({ conversation: converse(namespace, address, 80), broke: false });
    };
    for (const namespace of clients) for (const address of addresses) connect(namespace, address);
    await Promise.all(lasting.map(({ conversation }) => conversation.settled(5000)));

    for (let done = 0; done < size; done += step) {
      await start(fresh.slice(done, done + step));
      const leaving = old.slice(done, done + step);
      await scene.writeSlices("rolling", [
        ...slicesOf(...fresh.slice(0, done + step), ...old.slice(done + step)),
        ...leaving.map((pod) => ({ pod, ready: false, serving: true, terminating: true })),
      ]);
      // As long as a pod's preStop hook usually waits, in small: who has begun to connect gets through.
      await delay(2000);
      for (const pod of leaving) endedOnPurpose.add(`default/${pod}`);
      await scene.writeSlices("rolling", slicesOf(...fresh.slice(0, done + step), ...old.slice(done + step)));
      await Promise.all(leaving.map((pod) => cluster.delete(`default/${pod}`)));
      await Promise.all(leaving.map((pod) => cluster.untilGone(`default/${pod}`)));
    }
    await delay(500);
    const { tried, failures } = await load.stop();
    const broken = lasting.filter(({ conversation }) => conversation.broken !== undefined);
    const early = broken.filter(({ conversation }) => !endedOnPurpose.has(conversation.peer ?? ""));
    reconnects = broken.length;
    for (const { conversation } of lasting) conversation.close();
    console.info(
      `rolling update of ${size} pods in ${((performance.now() - begin) / 1000).toFixed(1)} s: ` +
        `${tried} new connections, ${failures.length} failed; of ${lasting.length} long-lived ones ` +
        `${reconnects} ended with their pod, ${early.length} earlier`,
    );
    expect(failures).toEqual([]);
    expect(early.map(({ conversation }) => conversation.broken)).toEqual([]);
    await deleteService("rolling");
    await Promise.all(fresh.map((name) => cluster.delete(`default/${name}`)));
  });
});

describe("the node that announces a service's address", () => {
  async function announcerOf(address: string): Promise<string> {
    const neighbour = await lab.exec("outside", ["ip", "neighbour", "show", address]);
    const mac = /lladdr (\S+)/.exec(neighbour)?.[1] ?? "nobody";
    for (const node of lab.nodes) {
      if ((await lab.exec(node, ["ip", "link", "show", "br-ex"])).includes(mac)) return node;
    }
    throw new Error(`nobody announces ${address}: ${neighbour}`);
  }

  /** Dead for all others: nothing of it passes the switch in the machine room any more, and nothing in it notices. */
  const setUplink = (node: string, ...how: readonly string[]) =>
    run(["ip", "-netns", lab.layout.underlay, "link", "set", "dev", node, ...how]);

  it.each(families)("is taken over from within 2 s when it dies, over %s", async (family) => {
    const name = `announced-${family}`;
    await createService(name, { type: "LoadBalancer" });
    await scene.writeSlices(name, slicesOf("b1", "b2", "b3"));
    await expect
      .poll(
        async () => {
          await scene.refresh();
          return ingressOf(scene.service(name) as Service).length;
        },
        { timeout: 10_000 },
      )
      .toBe(2);
    const address = ingressOf(scene.service(name)).find((one) => familyOf(one) === family) ?? "";
    const outside = namespaceOf("outside");
    const ask = async () =>
      (await scene.prober.probe({ namespace: outside, to: address, port: 80, protocol: "tcp", timeoutMs: 1300 }))
        .verdict;
    await expect.poll(ask, { timeout: 10_000, interval: 200 }).toBe("connected");
    const victim = await announcerOf(address);
    const survivors = lab.nodes.filter((node) => node !== victim);
    await scene.writeSlices(name, slicesOf(...survivors.map((node) => node.replace("node", "b"))));
    await delay(1500);

    const flow = streamDatagrams(outside, { address, port: 80 }, { everyMs: 20 });
    const peers = survivors.map((node) => `default/${node.replace("node", "b")}`);
    expect(await flow.until(peers, 3000)).toBe(true);
    const neighbourBefore = await lab.exec("outside", ["ip", "neighbour", "show", address]);
    await setUplink(victim, "nomaster");
    const died = performance.now();
    // The outside learns of the new one by its announcement: that is when the death is known.
    let detectedMs: number | undefined;
    const watch = (async () => {
      while (performance.now() - died < 8000) {
        const now = await lab.exec("outside", ["ip", "neighbour", "show", address]);
        if (/lladdr (\S+)/.exec(now)?.[1] !== /lladdr (\S+)/.exec(neighbourBefore)?.[1] && now.includes("lladdr")) {
          detectedMs = performance.now() - died;
          return;
        }
        await delay(10);
      }
    })();
    // A new connection, as the flow's own state has died with the node.
    let backMs: number | undefined;
    while (backMs === undefined && performance.now() - died < 8000) {
      const { verdict } = await scene.prober.probe({
        ...{ namespace: outside, to: address, port: 80, protocol: "udp", timeoutMs: 100 },
      });
      if (verdict === "connected") backMs = performance.now() - died;
    }
    await watch;
    flow.close();
    await setUplink(victim, "master", "br0");
    console.info(
      `${family}: ${victim} died; announced by another after ${detectedMs?.toFixed(0)} ms, ` +
        `first answer after ${backMs?.toFixed(0)} ms, ${((backMs ?? 0) - (detectedMs ?? 0)).toFixed(0)} ms later`,
    );
    expect(detectedMs).toBeDefined();
    expect(backMs).toBeLessThan((detectedMs ?? 0) + 2000);
    // And it is one that answers when the node is back.
    await expect.poll(ask, { timeout: 15_000, interval: 200 }).toBe("connected");
    await deleteService(name);
  });
});
