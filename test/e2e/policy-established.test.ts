import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { adminNetworkPolicies, endpointSlices, networkPolicies, pods, services } from "../../kube/index.ts";
import { type Lab, placeOf, startLab } from "../../lab/index.ts";
import { type Cluster, openCluster, type PodSpec } from "./cluster.ts";
import { type End, type Stream, sendEmpty, streamTcp, streamUdp } from "./established/streams.ts";

/**
 * What becomes of connections that are there when policies change: whatever takes the permission away, they end within
 * a second, in both directions, even where only answers flow; and all others go on.
 */

const withinMs = 1_000;
/** How long a stream must have been silent to have ended, how long one that goes on may be. */
const silenceMs = 600;
/** Nobody listens there. */
const discardPort = 9;

const families = ["IPv4", "IPv6"] as const;
type Family = (typeof families)[number];
const isOf = (family: Family) => (address: string) => address.includes(":") === (family === "IPv6");

/** `server` is asked by the three others; `guest` is the one who loses his permission. `near` is on the server's node. */
const podSpecs: readonly PodSpec[] = [
  { name: "server", nodeName: "node2", labels: { app: "server" } },
  { name: "guest", nodeName: "node1", labels: { app: "guest", role: "guest" } },
  { name: "friend", nodeName: "node1", labels: { app: "friend", role: "friend" } },
  { name: "near", nodeName: "node2", labels: { app: "near", role: "friend" } },
];

let lab: Lab;
let cluster: Cluster;
const ends = new Map<string, Record<Family, End>>();
const streams = new Map<string, Stream>();
let nextPort = 20_000;

beforeAll(async () => {
  lab = await startLab({ name: "established", nodes: 2, demoPods: false });
  cluster = await openCluster(lab.kubeconfig);
  await Promise.all(podSpecs.map((pod) => cluster.create(pod)));
  for (const { name } of podSpecs) {
    const pod = await cluster.untilReady(`default/${name}`);
    const { namespace } = await placeOf(lab.layout, `default/${name}`);
    const addresses = pod.status?.podIPs?.map(({ ip }) => ip) ?? [];
    const end = (family: Family): End => ({ namespace, address: addresses.find(isOf(family)) ?? "" });
    ends.set(name, { IPv4: end("IPv4"), IPv6: end("IPv6") });
  }
});

afterEach(async () => {
  for (const stream of streams.values()) stream.close();
  streams.clear();
  await Promise.all([...undo].map(([, take]) => take()));
  undo.clear();
});

afterAll(async () => {
  await cluster?.close();
  await lab?.down();
});

/** What takes a test's objects away again, by what it is about. */
const undo = new Map<string, () => Promise<unknown>>();

const endOf = (pod: string, family: Family): End => {
  const end = ends.get(pod)?.[family];
  if (end === undefined) throw new Error(`there is no pod ${pod}`);
  return end;
};

/** All kinds of connections from one pod to another, in both families, named `<client>: <what>`. */
function connect(client: string, server: string): void {
  for (const family of families) {
    const between = () => {
      nextPort += 1;
      return { client: endOf(client, family), server: endOf(server, family), port: nextPort };
    };
    const add = (what: string, stream: Stream) => streams.set(`${client}: ${what} over ${family}`, stream);
    add("TCP", streamTcp({ ...between(), talk: "both" }));
    add("TCP answers", streamTcp({ ...between(), talk: "replies" }));
    add("UDP", streamUdp({ ...between(), talk: "both" }));
    add("UDP answers", streamUdp({ ...between(), talk: "replies" }));
    add("UDP questions", streamUdp({ ...between(), talk: "requests" }));
  }
}

const lastHeard = ({ heard }: Stream): number | undefined => {
  const times = [heard.client, heard.server].filter((time) => time !== undefined);
  return times.length === 0 ? undefined : Math.max(...times);
};

/** Waits until something is heard on every stream. */
async function untilAllFlow(): Promise<void> {
  const begin = performance.now();
  const isSilent = (stream: Stream) => (lastHeard(stream) ?? 0) < begin;
  while ([...streams.values()].some(isSilent)) {
    if (performance.now() - begin > 5_000)
      throw new Error(`silent: ${[...streams].filter(([, stream]) => isSilent(stream)).map(([name]) => name)}`);
    await delay(20);
  }
  // Some answers more, so that all count as established.
  await delay(300);
}

/**
 * Makes the change and looks at the streams after it.
 * @param ending whose streams must end
 * @returns complaints, and how long after the change the last one was heard, in ms
 */
async function watchChange(ending: readonly string[], change: () => Promise<unknown>) {
  await change();
  const changedAt = performance.now();
  await delay(withinMs + silenceMs);
  const now = performance.now();
  const complaints: string[] = [];
  let lastMs = 0;
  for (const [name, stream] of streams) {
    const isEnding = ending.some((client) => name.startsWith(`${client}:`));
    const heard = lastHeard(stream) ?? 0;
    if (isEnding) {
      lastMs = Math.max(lastMs, heard - changedAt);
      if (heard > changedAt + withinMs) complaints.push(`${name} goes on`);
    } else if (now - heard > silenceMs) complaints.push(`${name} has ended`);
  }
  return { complaints, lastMs };
}

const labels = (key: string, ...values: readonly string[]) => ({
  podSelector: { matchExpressions: [{ key, operator: "In", values }] },
});

type Direction = "Ingress" | "Egress";

/** Of the subject only those peers may be met in that direction. */
function policy(name: string, subject: object, direction: Direction, peers: readonly object[]): object {
  const rules = direction === "Ingress" ? { ingress: [{ from: peers }] } : { egress: [{ to: peers }] };
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name, namespace: "default" },
    spec: { ...subject, policyTypes: [direction], ...rules },
  };
}

async function createPolicy(name: string, ...rest: [subject: object, direction: Direction, peers: readonly object[]]) {
  undo.set(`policy ${name}`, () => cluster.client.delete(networkPolicies, { namespace: "default", name }));
  await cluster.client.create(networkPolicies, { namespace: "default" }, policy(name, ...rest));
}

const replacePeers = (name: string, direction: Direction, peers: readonly object[]) =>
  cluster.client.patch(
    networkPolicies,
    { namespace: "default", name },
    { spec: direction === "Ingress" ? { ingress: [{ from: peers }] } : { egress: [{ to: peers }] } },
    { type: "merge" },
  );

/** Gives a pod a label until the test ends. */
async function label(name: string, key: string, value: string): Promise<void> {
  const before = podSpecs.find((pod) => pod.name === name)?.labels?.[key];
  const set = (to: string | undefined) =>
    cluster.client.patch(
      pods,
      { namespace: "default", name },
      { metadata: { labels: { [key]: to ?? null } } },
      { type: "merge" },
    );
  undo.set(`label ${name} ${key}`, () => set(before));
  await set(value);
}

const friends = labels("role", "friend");
const friendsAndGuests = labels("role", "friend", "guest");
const server = labels("app", "server");
const guest = labels("app", "guest");

/**
 * Resolves when tcpdump listens on a pod's interface.
 * @param filter of pcap-filter(7)
 */
async function listen(namespace: string, filter: string): Promise<{ end(): Promise<string> }> {
  const tcpdump = spawn("nsenter", [
    ...[`--net=${namespace}`, "tcpdump", "-i", "eth0", "-nn", "-l", "--immediate-mode", filter],
  ]);
  const exited = once(tcpdump, "exit");
  let text = "";
  tcpdump.stdout.on("data", (chunk) => {
    text += String(chunk);
  });
  let said = "";
  await new Promise<void>((resolve, reject) => {
    exited.then(() => reject(new Error(`tcpdump does not listen: ${said}`)), reject);
    tcpdump.stderr.on("data", (chunk) => {
      said += String(chunk);
      if (said.includes("listening on")) resolve();
    });
  });
  return {
    async end() {
      tcpdump.kill("SIGINT");
      await exited;
      return text;
    },
  };
}

/** In words, with what is there before, and what takes the permission of `guest` and the server away from them. */
interface Loss {
  readonly name: string;
  readonly before?: () => Promise<unknown>;
  readonly change: () => Promise<unknown>;
  /** Whose connections end; else those of `guest`. */
  readonly ending?: readonly string[];
}

const losses: readonly Loss[] = [
  {
    name: "the server becomes isolated",
    change: () => createPolicy("p", server, "Ingress", [friends]),
  },
  {
    name: "a rule of ingress loses a peer",
    before: () => createPolicy("p", server, "Ingress", [friends, guest]),
    change: () => replacePeers("p", "Ingress", [friends]),
  },
  {
    name: "a peer of ingress is labelled anew",
    before: () => createPolicy("p", server, "Ingress", [friendsAndGuests]),
    change: () => label("guest", "role", "nobody"),
  },
  {
    name: "a label makes the server a subject of ingress",
    before: () => createPolicy("p", labels("guarded", "yes"), "Ingress", [friends]),
    change: () => label("server", "guarded", "yes"),
  },
  {
    name: "an allow of ingress goes",
    before: async () => {
      await createPolicy("p", server, "Ingress", [friends]);
      await createPolicy("q", server, "Ingress", [guest]);
    },
    change: async () => {
      undo.delete("policy q");
      await cluster.client.delete(networkPolicies, { namespace: "default", name: "q" });
    },
  },
  {
    name: "an AdminNetworkPolicy denies ingress",
    change: async () => {
      undo.set("admin policy", () => cluster.client.delete(adminNetworkPolicies, { name: "deny" }));
      await cluster.client.create(
        adminNetworkPolicies,
        {},
        {
          apiVersion: "policy.networking.k8s.io/v1alpha1",
          kind: "AdminNetworkPolicy",
          metadata: { name: "deny" },
          spec: {
            priority: 10,
            subject: { pods: { namespaceSelector: {}, podSelector: { matchLabels: { app: "server" } } } },
            ingress: [
              {
                action: "Deny",
                from: [{ pods: { namespaceSelector: {}, podSelector: { matchLabels: { app: "guest" } } } }],
              },
            ],
          },
        },
      );
    },
  },
  {
    name: "the opener becomes isolated",
    change: () => createPolicy("p", guest, "Egress", [friends]),
  },
  {
    name: "a rule of egress loses a peer",
    before: () => createPolicy("p", labels("role", "guest"), "Egress", [friends, server]),
    change: () => replacePeers("p", "Egress", [friends]),
  },
  {
    name: "a peer of egress is labelled anew",
    before: () => createPolicy("p", labels("role", "guest", "friend"), "Egress", [labels("app", "server")]),
    change: () => label("server", "app", "something-else"),
    ending: ["guest", "friend", "near"],
  },
  {
    name: "a label makes the opener a subject of egress",
    before: () => createPolicy("p", labels("guarded", "yes"), "Egress", [friends]),
    change: () => label("guest", "guarded", "yes"),
  },
];

describe("an established connection", () => {
  it.each(losses)("ends within a second when $name, and no other does", async ({ before, change, ending }) => {
    await before?.();
    for (const client of ["guest", "friend", "near"]) connect(client, "server");
    await untilAllFlow();
    const { complaints, lastMs } = await watchChange(ending ?? ["guest"], change);
    expect(complaints).toEqual([]);
    console.info(`heard last ${lastMs.toFixed(0)} ms after the change`);
  });

  it("that was cut goes on, once it is allowed again, as soon as its opener sends", async () => {
    for (const client of ["guest", "friend"]) connect(client, "server");
    await untilAllFlow();
    const lost = await watchChange(["guest"], () => createPolicy("p", server, "Ingress", [friends]));
    expect(lost.complaints).toEqual([]);
    await replacePeers("p", "Ingress", [friendsAndGuests]);
    const allowedAt = performance.now();
    await delay(withinMs);
    const silent = [...streams].filter(([, stream]) => (lastHeard(stream) ?? 0) < allowedAt).map(([name]) => name);
    // TCP sends again in its own time, and who gets answers alone sends nothing.
    expect(silent.filter((name) => !name.includes("TCP"))).toEqual(
      families.map((family) => `guest: UDP answers over ${family}`),
    );
  });

  it("of answers alone goes on with one peer when it ends with another", async () => {
    // The guest is asked by nobody and asks two; he may only meet one of them afterwards.
    for (const peer of ["server", "near"]) {
      for (const family of families) {
        nextPort += 1;
        const between = { client: endOf("guest", family), server: endOf(peer, family), port: nextPort };
        streams.set(`${peer}: UDP answers over ${family}`, streamUdp({ ...between, talk: "replies" }));
      }
    }
    await untilAllFlow();
    const { complaints } = await watchChange(["server"], () => createPolicy("p", guest, "Egress", [friends]));
    expect(complaints).toEqual([]);
  });

  it("to a service ends within a second, on the side of the client and on that of the backend", async () => {
    const names = { udp: "UDP", answers: "UDP", tcp: "TCP" } as const;
    const ports = Object.entries(names).map(([name, protocol], index) => ({
      ...{ name, protocol, port: 80 + index, targetPort: 19_000 + index },
    }));
    const metadata = { name: "established", namespace: "default" };
    undo.set("service", () => cluster.client.delete(services, metadata));
    await cluster.client.create(
      services,
      { namespace: "default" },
      {
        apiVersion: "v1",
        kind: "Service",
        metadata,
        spec: { ipFamilyPolicy: "RequireDualStack", ports },
      },
    );
    for (const family of families) {
      const slice = { name: `established-${family.toLowerCase()}`, namespace: "default" };
      undo.set(`slice ${family}`, () => cluster.client.delete(endpointSlices, slice));
      await cluster.client.create(
        endpointSlices,
        { namespace: "default" },
        {
          apiVersion: "discovery.k8s.io/v1",
          kind: "EndpointSlice",
          metadata: { ...slice, labels: { "kubernetes.io/service-name": "established" } },
          addressType: family,
          ports: ports.map(({ name, protocol, targetPort }) => ({ name, protocol, port: targetPort })),
          endpoints: [{ addresses: [endOf("server", family).address], conditions: { ready: true } }],
        },
      );
    }
    const service = await cluster.client.get<{ spec: { clusterIPs: readonly string[] } }>(services, metadata);
    const open = async () => {
      await delay(500);
      for (const stream of streams.values()) stream.close();
      streams.clear();
      for (const family of families) {
        for (const client of ["guest", "friend"]) {
          // One server socket per port: the friend asks another protocol's.
          const to = (index: number) => ({
            client: endOf(client, family),
            server: endOf("server", family),
            port: 19_000 + index,
            to: { address: service.spec.clusterIPs.find(isOf(family)) ?? "", port: 80 + index },
          });
          if (client === "friend") {
            streams.set(`friend: UDP answers over ${family}`, streamUdp({ ...to(0), talk: "replies" }));
          } else {
            streams.set(`guest: UDP answers over ${family}`, streamUdp({ ...to(1), talk: "replies" }));
            streams.set(`guest: TCP over ${family}`, streamTcp({ ...to(2), talk: "both" }));
          }
        }
      }
      await untilAllFlow();
    };
    await open();
    const backend = await watchChange(["guest"], () => createPolicy("p", server, "Ingress", [friends]));
    expect(backend.complaints).toEqual([]);
    await undo.get("policy p")?.();
    undo.delete("policy p");
    await open();
    const client = await watchChange(["guest"], () => createPolicy("p", guest, "Egress", [friends]));
    expect(client.complaints).toEqual([]);
  });

  it("is judged without that a pod sees anything of it", async () => {
    for (const client of ["guest", "friend", "near"]) connect(client, "server");
    await untilAllFlow();
    // What connections are judged by is without content, unlike all that flows here.
    const filter = "(ip and udp[4:2] = 8) or (ip6 and ip6[6] = 17 and ip6[44:2] = 8)";
    const listeners = await Promise.all(
      ["server", "guest", "friend", "near"].map((pod) => listen(endOf(pod, "IPv4").namespace, filter)),
    );
    const { complaints } = await watchChange(["guest"], () => createPolicy("p", server, "Ingress", [friends]));
    expect(complaints).toEqual([]);
    // One that is seen, lest the silence be that of a deaf listener.
    sendEmpty(endOf("friend", "IPv4"), endOf("server", "IPv4").address, discardPort);
    await delay(500);
    const counts = (await Promise.all(listeners.map((listener) => listener.end()))).map((text) => {
      const lines = text.split("\n").filter((line) => line !== "");
      const own = lines.filter((line) => line.includes(`.${discardPort}: UDP`));
      return { own: own.length, foreign: lines.length - own.length };
    });
    expect(counts).toEqual([
      { own: 1, foreign: 0 },
      { own: 0, foreign: 0 },
      { own: 1, foreign: 0 },
      { own: 0, foreign: 0 },
    ]);
  });

  it("ends too when the agent was away while policies changed", async () => {
    for (const client of ["guest", "friend"]) connect(client, "server");
    await untilAllFlow();
    await lab.kill("node2.agent");
    const { complaints } = await watchChange(["guest"], async () => {
      await createPolicy("p", server, "Ingress", [friends]);
      await lab.ready();
    });
    expect(complaints).toEqual([]);
  });

  it.each(["node2.agent", "node2.ovn-controller", "node2.ovs-vswitchd"])(
    "that is allowed outlives a restart of %s, and one that isn't any more ends after it too",
    async (process) => {
      await createPolicy("p", server, "Ingress", [friendsAndGuests]);
      await delay(500);
      const isLost = process === "node2.ovs-vswitchd";
      // vswitchd takes its connection tracking with it: only what the opener sends brings a connection back.
      for (const client of ["guest", "friend"]) connect(client, "server");
      await untilAllFlow();
      await lab.kill(process);
      await lab.ready();
      await delay(2_000);
      if (isLost) {
        for (const stream of streams.values()) stream.close();
        streams.clear();
        for (const client of ["guest", "friend"]) connect(client, "server");
      }
      await untilAllFlow();
      const { complaints } = await watchChange(["guest"], () => label("guest", "role", "nobody"));
      expect(complaints).toEqual([]);
    },
  );
});
