import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import {
  adminNetworkPolicies,
  clusterNetworkPolicies,
  domainNames,
  isKubeError,
  type KubeObject,
} from "../../kube/index.ts";
import { type Lab, placeOf, startLab } from "../../lab/index.ts";
import { createProber, type Prober } from "../../lab/probe/index.ts";
import { outsideIdentity, outsidePort } from "../../lab/topology/host-ports.ts";
import { namespacePath } from "../../lab/topology/layout.ts";
import { type Cluster, openCluster } from "./cluster.ts";
import { type OutsideDns, serveOutsideDns, type Zone } from "./domain-names/outside-dns.ts";
import { converse } from "./services/flows.ts";

/** Policies that give domain names: who was told an address by the cluster's DNS may reach it, and nobody anything else. */

let lab: Lab;
let cluster: Cluster;
let prober: Prober;
let dns: OutsideDns;
let client: string;

/** Stated in docs/policies.md: from the answer until the address can be reached. */
const statedMs = 1_000;
const leastHoldMs = 60_000;
/** Addresses of the host outside, which answers on all of them. */
const outside = { ipv4: (n: number) => `203.0.113.${n}`, ipv6: (n: number) => `2001:db8:113::${n.toString(16)}` };
const measured = 40;
const patient = 5;

const a = (name: string, n: number, ttlSeconds = 300) => ({ name, to: outside.ipv4(n), ttlSeconds });
const aaaa = (name: string, n: number, ttlSeconds = 300) => ({ name, to: outside.ipv6(n), ttlSeconds });
const zone: Zone = [
  ...[a("api.example.net", 21), aaaa("api.example.net", 21)],
  ...[a("other.example.net", 22), aaaa("other.example.net", 22)],
  ...[a("one.wild.example.net", 23), a("two.deep.wild.example.net", 24), a("wild.example.net", 25)],
  ...[{ name: "www.example.net", to: "edge.example.org", ttlSeconds: 300 }, a("edge.example.org", 26)],
  ...[a("short.example.net", 27, 1), a("tcp.example.net", 28), a("six.example.net", 29), a("later.example.net", 30)],
  ...[a("moves.example.net", 31, 1), a("inside.example.net", 32), a("spare.example.net", 33)],
  a("kept.example.net", 34, 1),
  a("cluster.example.net", 35),
  ...Array.from({ length: measured }, (_, index) => a(`n${index}.measured.example.net`, 100 + index)),
  ...Array.from({ length: patient }, (_, index) => a(`n${index}.first.example.net`, 150 + index)),
];

const names = [
  ...["api.example.net", "*.wild.example.net", "www.example.net", "Short.Example.net.", "tcp.example.net"],
  ...[
    "six.example.net",
    "forged.example.net",
    "moves.example.net",
    "inside.example.net",
    "kept.example.net",
    "*.measured.example.net",
  ],
  "*.first.example.net",
];

const denyAll = { action: "Deny", to: [{ networks: ["0.0.0.0/0", "::/0"] }] };

/** @param last what becomes of all else */
const policy = (domains: readonly string[], ...last: readonly object[]) => ({
  apiVersion: "policy.networking.k8s.io/v1alpha1",
  kind: "AdminNetworkPolicy",
  metadata: { name: "names" },
  spec: {
    priority: 10,
    subject: { pods: { namespaceSelector: {}, podSelector: { matchLabels: { role: "client" } } } },
    egress: [
      {
        // Where the cluster's DNS is, after the translation; and the pod that plays a resolver of its own.
        action: "Allow",
        to: [
          { networks: lab.layout.central.addresses.map((one) => `${one}/${one.includes(":") ? 128 : 32}`) },
          { pods: { namespaceSelector: {}, podSelector: { matchLabels: { role: "resolver" } } } },
        ],
      },
      { action: "Allow", to: [{ domainNames: domains }] },
      ...last,
    ],
  },
});

beforeAll(async () => {
  lab = await startLab({ name: "domainnames", nodes: 2, demoPods: false });
  cluster = await openCluster(lab.kubeconfig);
  prober = createProber();
  for (const { to } of zone) {
    if (/^[\d.]+$|:/.test(to)) await lab.exec("outside", ["ip", "address", "replace", to, "dev", "lo"]);
  }
  dns = await serveOutsideDns(namespacePath(lab.layout.outside.namespace), lab.layout.outside.addresses[0] ?? "");
  await dns.set(zone);
  await cluster.create({ name: "client", nodeName: "node1", labels: { role: "client" } });
  await cluster.create({ name: "second", nodeName: "node2", labels: { role: "client" } });
  await cluster.create({ name: "resolver", nodeName: "node2", labels: { role: "resolver" } });
  for (const name of ["client", "second", "resolver"]) await cluster.untilReady(`default/${name}`);
  client = (await placeOf(lab.layout, "default/client")).namespace;
  for (const to of [outside.ipv4(21), outside.ipv6(21), outside.ipv4(22)]) expect(await reaches(to, 2_000)).toBe(true);
  await cluster.client.create(adminNetworkPolicies, {}, policy(names, denyAll));
  // Denied is what the policy makes it: before it all could be reached.
  await vi.waitUntil(async () => !(await reaches(outside.ipv4(22))), { timeout: 20_000, interval: 100 });
});

afterAll(async () => {
  prober?.close();
  await dns?.close();
  await cluster?.close();
  await lab?.down();
});

const put = (object: object) =>
  cluster.client.patch(adminNetworkPolicies, { name: "names" }, object, { type: "merge" });
const give = (domains: readonly string[]) => put(policy(domains, denyAll));

async function reaches(to: string, timeoutMs = 300, namespace = client): Promise<boolean> {
  const { verdict } = await prober.probe({ namespace, to, port: outsidePort, protocol: "tcp", timeoutMs });
  return verdict === "connected";
}

/** Asks as programs do. @returns the addresses */
async function lookUp(
  name: string,
  family: 4 | 6 = 4,
  pod = "default/client",
  options = "",
): Promise<readonly string[]> {
  const text = await lab.exec(pod, ["env", `RES_OPTIONS=${options}`, "getent", `ahostsv${family}`, name]);
  return [...new Set(text.split("\n").flatMap((line) => line.split(/\s/)[0] || []))];
}

/** Asks one server, and no other. */
async function ask(server: string, name: string): Promise<void> {
  const script = `const resolver = new (require("node:dns").promises.Resolver)({ timeout: 1000, tries: 3 });
    resolver.setServers([${JSON.stringify(server)}]);
    resolver.resolve4(${JSON.stringify(name)}).then(console.log, console.error)`;
  await lab.exec("default/client", [process.execPath, "-e", script]);
}

/** New connections until one is made. @returns ms from now; undefined when none was in time */
async function untilReached(to: string, withinMs = statedMs): Promise<number | undefined> {
  const begun = performance.now();
  while (performance.now() - begun < withinMs) {
    if (await reaches(to, 15)) return performance.now() - begun;
  }
  return undefined;
}

/**
 * As a program does in the pod: asks for each name, and connects in the moment in which it has the answer, again and again.
 * @returns ms from the answer to the connection, ascending
 */
async function connectOnceAnswered(domain: string, count: number, tryMs: number): Promise<readonly number[]> {
  const script = `
    const { Resolver } = require("node:dns").promises;
    const { connect } = require("node:net");
    const resolver = new Resolver({ timeout: 1000, tries: 3 });
    resolver.setServers([${JSON.stringify(lab.layout.dnsServiceAddresses[0])}]);
    const tried = (host) => new Promise((resolve) => {
      const socket = connect({ host, port: ${outsidePort} });
      const end = (made) => { clearTimeout(timer); socket.destroy(); resolve(made); };
      const timer = setTimeout(end, ${tryMs}, false);
      socket.on("connect", () => end(true)).on("error", () => end(false));
    });
    (async () => {
      const times = [];
      for (let index = 0; index < ${count}; index += 1) {
        const [address] = await resolver.resolve4("n" + index + ".${domain}");
        const begun = performance.now();
        while (performance.now() - begun < 10_000) {
          if (!await tried(address)) { await new Promise((resolve) => setTimeout(resolve, 1)); continue; }
          times.push(performance.now() - begun);
          break;
        }
      }
      console.log(JSON.stringify(times));
    })();`;
  const text = await lab.exec("default/client", [process.execPath, "-e", script], { timeoutMs: 120_000 });
  return (JSON.parse(text) as number[]).sort((first, second) => first - second);
}

async function objectOf(name: string): Promise<(KubeObject & { status?: { addresses?: object } }) | undefined> {
  try {
    return await cluster.client.get(domainNames, { name });
  } catch (error) {
    if (isKubeError(error, "NOT_FOUND")) return undefined;
    throw error;
  }
}

describe("a policy that gives domain names", () => {
  it("lets nothing through before the first answer, and then what the answer says, in both families", async () => {
    expect(await reaches(outside.ipv4(21))).toBe(false);
    expect(await reaches(outside.ipv6(21))).toBe(false);
    expect(await lookUp("api.example.net")).toEqual([outside.ipv4(21)]);
    expect(await untilReached(outside.ipv4(21))).toBeTypeOf("number");
    expect(await lookUp("api.example.net", 6)).toEqual([outside.ipv6(21)]);
    expect(await untilReached(outside.ipv6(21))).toBeTypeOf("number");
    const object = await objectOf("api.example.net");
    expect(Object.keys(object?.status?.addresses ?? {}).sort()).toEqual([outside.ipv6(21), outside.ipv4(21)].sort());
  });

  it("lets it through for every pod that it is about, on other nodes too, and for names that only these ask for", async () => {
    const { namespace } = await placeOf(lab.layout, "default/second");
    expect(await reaches(outside.ipv4(21), 300, namespace)).toBe(true);
    await lookUp("six.example.net", 4, "default/second");
    expect(await untilReached(outside.ipv4(29))).toBeTypeOf("number");
  });

  it("keeps other names denied, whoever asks for them", async () => {
    expect(await lookUp("other.example.net")).toEqual([outside.ipv4(22)]);
    await delay(statedMs);
    expect(await reaches(outside.ipv4(22))).toBe(false);
    expect(await objectOf("other.example.net")).toBeUndefined();
  });

  it("means by a wildcard what is below the domain, and not the domain", async () => {
    await lookUp("one.wild.example.net");
    expect(await untilReached(outside.ipv4(23))).toBeTypeOf("number");
    await lookUp("two.deep.wild.example.net");
    expect(await untilReached(outside.ipv4(24))).toBeTypeOf("number");
    await lookUp("wild.example.net");
    await delay(statedMs);
    expect(await reaches(outside.ipv4(25))).toBe(false);
  });

  it("may be a ClusterNetworkPolicy", async () => {
    const podSelector = { matchLabels: { role: "client" } };
    await cluster.client.create(
      clusterNetworkPolicies,
      {},
      {
        apiVersion: "policy.networking.k8s.io/v1alpha2",
        kind: "ClusterNetworkPolicy",
        metadata: { name: "names" },
        spec: {
          ...{ tier: "Admin", priority: 5, subject: { pods: { namespaceSelector: {}, podSelector } } },
          egress: [{ action: "Accept", to: [{ domainNames: ["cluster.example.net"] }] }],
        },
      },
    );
    await expect
      .poll(
        async () => {
          await lookUp("cluster.example.net");
          return reaches(outside.ipv4(35));
        },
        { timeout: 10_000, interval: 100 },
      )
      .toBe(true);
  });

  it("follows aliases from the name that it gives", async () => {
    expect(await lookUp("www.example.net")).toEqual([outside.ipv4(26)]);
    expect(await untilReached(outside.ipv4(26))).toBeTypeOf("number");
  });

  it("learns from answers by TCP, and by IPv6", async () => {
    await lookUp("tcp.example.net", 4, "default/client", "use-vc");
    expect(await untilReached(outside.ipv4(28))).toBeTypeOf("number");
    await dns.set([...zone, a("six.example.net", 33)]);
    await ask(`[${lab.layout.dnsServiceAddresses[1]}]:53`, "six.example.net");
    expect(await untilReached(outside.ipv4(33))).toBeTypeOf("number");
    await dns.set(zone);
  });

  it("believes the cluster's DNS alone: no resolver that a pod runs, and nobody who takes on its address", async () => {
    const { namespace } = await placeOf(lab.layout, "default/resolver");
    const resolver = cluster.pods.get("default/resolver")?.status?.podIPs?.[0]?.ip ?? "";
    const own = await serveOutsideDns(namespace, resolver);
    try {
      await own.set([a("forged.example.net", 22)]);
      await ask(resolver, "forged.example.net");
    } finally {
      await own.close();
    }
    // From the cluster's DNS address: the pod's port does not let it out.
    const dnsAddress = lab.layout.dnsServiceAddresses[0] ?? "";
    await lab.exec("default/resolver", ["ip", "address", "add", `${dnsAddress}/32`, "dev", "lo"]);
    const clientAddress = cluster.pods.get("default/client")?.status?.podIPs?.[0]?.ip ?? "";
    const script = `const { dnsAnswer } = await import(${JSON.stringify(`${process.cwd()}/node/dns/testing/dns-answer.ts`)});
      const { createSocket } = await import("node:dgram");
      const name = "forged.example.net";
      const answer = dnsAnswer({ name, records: [{ name, to: ${JSON.stringify(outside.ipv4(22))} }] });
      const socket = createSocket("udp4");
      socket.bind(53, ${JSON.stringify(dnsAddress)}, () =>
        socket.send(answer, 40000, ${JSON.stringify(clientAddress)}, () => socket.close()));`;
    await lab.exec("default/resolver", [process.execPath, "--input-type=module", "-e", script]);
    await lab.exec("default/resolver", ["ip", "address", "delete", `${dnsAddress}/32`, "dev", "lo"]);
    await delay(statedMs);
    expect(await objectOf("forged.example.net")).toBeUndefined();
    expect(await reaches(outside.ipv4(22))).toBe(false);
  });

  it("believes no host beside the nodes that takes on the DNS' address, though what it sends reaches the pod", async () => {
    const dnsAddress = lab.layout.dnsServiceAddresses[0] ?? "";
    const address = cluster.pods.get("default/client")?.status?.podIPs?.[0]?.ip ?? "";
    const node = lab.layout.nodes.find(({ name }) => name === "node1")?.addresses[0] ?? "";
    await lab.exec("outside", ["ip", "address", "add", `${dnsAddress}/32`, "dev", "lo"]);
    await lab.exec("outside", ["ip", "route", "add", `${address}/32`, "via", node]);
    // As on hosts that do so for other programs.
    const forward = (value: 0 | 1) => lab.exec("node1", ["sysctl", "-qw", `net.ipv4.ip_forward=${value}`]);
    await forward(1);
    try {
      // The pod's program hears, of each that is sent.
      const hear = `const socket = require("node:dgram").createSocket("udp4");
        let count = 0;
        socket.on("message", (_, from) => {
          if (from.address === ${JSON.stringify(dnsAddress)} && from.port === 53) count += 1;
        });
        socket.bind(40000);
        setTimeout(() => { console.log(count); socket.close(); }, 4000);`;
      const heard = lab.exec("default/client", [process.execPath, "-e", hear]);
      const send = `const { dnsAnswer } = await import(${JSON.stringify(`${process.cwd()}/node/dns/testing/dns-answer.ts`)});
        const { createSocket } = await import("node:dgram");
        const name = "forged.example.net";
        const socket = createSocket("udp4");
        socket.bind(53, ${JSON.stringify(dnsAddress)});
        let id = 0;
        const timer = setInterval(() => {
          id += 1;
          const answer = dnsAnswer({ id, name, records: [{ name, to: ${JSON.stringify(outside.ipv4(22))} }] });
          socket.send(answer, 40000, ${JSON.stringify(address)});
        }, 100);
        setTimeout(() => { clearInterval(timer); socket.close(); }, 3000);`;
      await lab.exec("outside", [process.execPath, "--input-type=module", "-e", send]);
      expect(Number(await heard)).toBeGreaterThan(0);
    } finally {
      await forward(0);
      await lab.exec("outside", ["ip", "route", "delete", `${address}/32`]);
      await lab.exec("outside", ["ip", "address", "delete", `${dnsAddress}/32`, "dev", "lo"]);
    }
    await delay(statedMs);
    expect(await objectOf("forged.example.net")).toBeUndefined();
    expect(await reaches(outside.ipv4(22))).toBe(false);
  });

  it("lets no name lead into the cluster", async () => {
    const second = cluster.pods.get("default/second")?.status?.podIPs?.[0]?.ip ?? "";
    const verdictOf = async () =>
      (await prober.probe({ ...{ namespace: client, to: second, port: 8080, protocol: "tcp", timeoutMs: 500 } }))
        .verdict;
    // Not denied, it could be reached.
    await put(policy(names));
    await expect.poll(verdictOf, { timeout: 10_000 }).toBe("connected");
    await give(names);
    await expect.poll(verdictOf, { timeout: 10_000 }).toBe("dropped");
    await dns.set([...zone, { name: "inside.example.net", to: second, ttlSeconds: 300 }]);
    expect(await lookUp("inside.example.net")).toContain(second);
    expect(await untilReached(outside.ipv4(32))).toBeTypeOf("number");
    expect(await verdictOf()).toBe("dropped");
    await dns.set(zone);
  });

  it("is on the wire within a second after the answer", async () => {
    const times = await connectOnceAnswered("measured.example.net", measured, 5);
    const first = await connectOnceAnswered("first.example.net", patient, 10_000);
    for (const [what, each] of Object.entries({
      "the first connection that is made": times,
      "one that isn't given up": first,
    })) {
      const at = (share: number) => (each[Math.min(each.length - 1, Math.floor(share * each.length))] ?? 0).toFixed(1);
      process.stdout.write(
        `domain names: answer to ${what}: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, of ${each.length}\n`,
      );
    }
    expect(times).toHaveLength(measured);
    expect(times.at(-1)).toBeLessThanOrEqual(statedMs);
  });

  it("holds through restarts of controller and agent, and goes on learning after them", async () => {
    await lab.kill("controller");
    await lab.kill("node1.agent");
    expect(await reaches(outside.ipv4(21), 1_000)).toBe(true);
    await lab.ready();
    expect(await reaches(outside.ipv4(21), 1_000)).toBe(true);
    await give([...names, "later.example.net"]);
    await expect
      .poll(
        async () => {
          await lookUp("later.example.net");
          return reaches(outside.ipv4(30));
        },
        { timeout: 20_000, interval: 300 },
      )
      .toBe(true);
  });

  it("closes when the answer has run out, a minute after it at the earliest, but not on a connection; it opens with the next one", async () => {
    // For the next test, which waits for as long.
    await give(names);
    await lookUp("kept.example.net");
    await lookUp("short.example.net");
    const answeredAt = Date.now();
    expect(await untilReached(outside.ipv4(27))).toBeTypeOf("number");
    const kept = converse(client, outside.ipv4(34), outsidePort);
    expect(await kept.settled(3_000)).toBe(outsideIdentity);
    await delay(leastHoldMs - 5_000 - (Date.now() - answeredAt));
    expect(await reaches(outside.ipv4(27))).toBe(true);
    await expect.poll(() => reaches(outside.ipv4(27)), { timeout: 10_000, interval: 100 }).toBe(false);
    expect(Date.now() - answeredAt).toBeGreaterThanOrEqual(leastHoldMs - 1_000);
    const answered = kept.answered;
    await delay(statedMs);
    expect(kept.answered).toBeGreaterThan(answered);
    expect(kept.broken).toBeUndefined();
    expect(await reaches(outside.ipv4(34))).toBe(true);
    kept.close();
    await lookUp("short.example.net");
    expect(await untilReached(outside.ipv4(27))).toBeTypeOf("number");
  });

  it("takes its names along when it goes", async () => {
    await expect.poll(() => objectOf("later.example.net"), { timeout: 90_000, interval: 1_000 }).toBeUndefined();
    expect(await objectOf("api.example.net")).toBeDefined();
  });
});
