import { askDns, askHttp, streamDatagrams } from "./flows.ts";
import { ask, patiently, type Question, type Target } from "./measure.ts";
import {
  type Family,
  families,
  familyOf,
  type Scene,
  type Service,
  type Source,
  type Vantage,
  vantages,
} from "./scene.ts";
import { ingressOf } from "./services.ts";

/** One text of a cell, as measured from one source in one family. */
export interface Measured {
  readonly source: Source;
  readonly family: Family;
  readonly text: string;
}

/** One line of the table: what the specification demands, from each vantage point; `-` where it has no such case. */
export interface Row {
  readonly name: string;
  readonly cells: Readonly<Record<Vantage, string>>;
  readonly families: readonly Family[];
  /** Sources that are not asked although their vantage point is. */
  readonly except: readonly string[];
  /** Measures one text; is asked again for a while when it is not the expected one. */
  measure(scene: Scene, source: Source, family: Family): Promise<string>;
  /** Brings about what the row is about, once, with all sources looking on. */
  stage?(scene: Scene, sources: readonly Source[]): Promise<readonly Measured[]>;
}

const b = (...numbers: number[]) => numbers.map((number) => `default/b${number}`);
const cellsOf = (texts: readonly string[]): Row["cells"] =>
  Object.fromEntries(vantages.map((vantage, index) => [vantage, texts[index] ?? "-"])) as Record<Vantage, string>;

type Targets = (scene: Scene, source: Source, family: Family) => readonly Target[];

const inFamily = (addresses: readonly string[] | undefined, family: Family) =>
  (addresses ?? []).filter((address) => familyOf(address) === family);
const nodePortOf = (service: Service) => service.spec?.ports?.[0]?.nodePort ?? 0;

const clusterIp =
  (name: string, port = 80): Targets =>
  (scene, _source, family) =>
    inFamily(scene.service(name).spec?.clusterIPs, family).map((address) => ({ address, port }));
const externalIp =
  (name: string, index?: number): Targets =>
  (scene, _source, family) =>
    inFamily(scene.service(name).spec?.externalIPs, family)
      .filter((_, at) => index === undefined || at === index)
      .map((address) => ({ address, port: 80 }));
const ingress =
  (name: string): Targets =>
  (scene, _source, family) =>
    inFamily(ingressOf(scene.service(name)), family).map((address) => ({ address, port: 80 }));
const nodePort =
  (name: string, wanted: (node: string, source: Source) => boolean): Targets =>
  (scene, source, family) =>
    scene.lab.nodes
      .filter((node) => wanted(node, source))
      .flatMap((node) =>
        inFamily(scene.nodeAddresses(node), family).map((address) => ({
          ...{ address, port: nodePortOf(scene.service(name)) },
        })),
      );
/** Inside by the cluster address, outside by the NodePort. */
const nearest =
  (name: string): Targets =>
  (scene, source, family) =>
    (source.vantage === "outside" ? nodePort(name, () => true) : clusterIp(name))(scene, source, family);

interface Asked {
  readonly name: string;
  readonly to: Targets;
  readonly cells: readonly string[];
  /** Who may answer; undefined for servers that don't say who they are. */
  readonly by?: readonly string[] | ((source: Source) => readonly string[]);
  readonly protocols?: Question["protocols"];
  readonly times?: number;
  readonly families?: readonly Family[];
  readonly except?: readonly string[];
}

/** All who have answered, by row: every backend of a row has to. */
export const metBackends = new Map<string, { readonly wanted: Set<string>; readonly met: Set<string> }>();

function row(asked: Asked): Row {
  const { name, to, cells, by, protocols = ["tcp", "udp"], times = 3 } = asked;
  const seen = { wanted: new Set<string>(), met: new Set<string>() };
  metBackends.set(name, seen);
  return {
    ...{ name, cells: cellsOf(cells), families: asked.families ?? families, except: asked.except ?? [] },
    async measure(scene, source, family) {
      const peers = typeof by === "function" ? by(source) : by;
      for (const peer of peers ?? []) seen.wanted.add(peer);
      const answer = await ask(scene, source, { targets: to(scene, source, family), protocols, peers, times });
      for (const peer of answer.peers) seen.met.add(peer);
      return answer.text;
    },
  };
}

const special = (name: string, cells: readonly string[], measure: Row["measure"], except: readonly string[] = []) =>
  ({ ...{ name, cells: cellsOf(cells), families, except }, measure }) satisfies Row;

/** Flows of datagrams from one source port each, before and after the endpoints change. */
function flushRow(name: string, service: string, before: readonly string[], after: readonly string[]): Row {
  return {
    ...{ name, cells: cellsOf(["follows", "follows", "follows", "follows"]), families, except: [] },
    measure: () => Promise.reject(new Error(`${name} is staged`)),
    async stage(scene, sources) {
      // What is sent to an address before it is a service's is another matter.
      await Promise.all(
        sources.flatMap((source) =>
          families.map((family) => {
            const targets = nearest(service)(scene, source, family).slice(0, 1);
            const question = { targets, protocols: ["tcp"], peers: undefined, times: 1 } as const;
            const expected = before.length === 0 ? "refused" : "reply";
            return patiently(expected, async () => (await ask(scene, source, question)).text);
          }),
        ),
      );
      const flows = sources.flatMap((source) =>
        families.flatMap((family) =>
          nearest(service)(scene, source, family)
            .slice(0, 1)
            // Often enough that some come between OVN's own flush and its new flows.
            .map((target) => ({ source, family, flow: streamDatagrams(source.namespace, target, { everyMs: 20 }) })),
        ),
      );
      const key = (pod: string) => `default/${pod}`;
      try {
        const first = await Promise.all(
          flows.map(({ flow }) => (before.length === 0 ? flow.until([], 500) : flow.until(before.map(key), 5000))),
        );
        await scene.writeSlices(
          service,
          after.map((pod) => ({ pod })),
        );
        // Far below the 30 s after which a datapath forgets a flow that goes unanswered, and flows here never rest.
        const second = await Promise.all(flows.map(({ flow }) => flow.until(after.map(key), 4000)));
        return flows.map(({ source, family }, index) => ({
          ...{ source, family },
          text:
            before.length > 0 && first[index] !== true ? "no answer before" : second[index] ? "follows" : "is stuck",
        }));
      } finally {
        for (const { flow } of flows) flow.close();
      }
    },
  };
}

const healthz =
  (wanted: (node: string) => boolean): Row["measure"] =>
  async (scene, source, family) => {
    const port = scene.service("external-local").spec?.healthCheckNodePort ?? 0;
    const answers = await Promise.all(
      scene.lab.nodes
        .filter(wanted)
        .flatMap((node) => inFamily(scene.nodeAddresses(node), family))
        .map((address) => askHttp(source.namespace, { address, port }, "/healthz")),
    );
    return [
      ...new Set(
        answers.map((answer) => {
          if (answer === undefined) return "silence";
          const { localEndpoints } = JSON.parse(answer.body) as { localEndpoints?: number };
          return `${answer.status}, localEndpoints ${localEndpoints}`;
        }),
      ),
    ].join(", ");
  };

const resolves =
  (name: string, addresses: (scene: Scene, family: Family) => readonly string[]): Row["measure"] =>
  async (scene, source, family) => {
    const server = scene.service("kube-system/kube-dns").spec?.clusterIPs ?? [];
    const address = inFamily(server, family)[0] ?? server[0] ?? "";
    const found = await askDns(source.namespace, address, name, family);
    if (found === undefined) return "silence";
    const wanted = [...addresses(scene, family)].sort().join(" ");
    return [...found].sort().join(" ") === wanted ? "resolves" : `resolves to ${found.join(" ") || "nothing"}`;
  };

const own = (node: string, source: Source) => node === source.node;
const another = (node: string, source: Source) => node !== source.node;
const node1 = (node: string) => node === "node1";
const notNode1 = (node: string) => node !== "node1";
const sameNode = (source: Source) => b(Number((source.node ?? "").replace("node", "")));
const replies = ["client", "client", "client"];
const refusals = ["refused", "refused", "refused"];
const silences = ["silence", "silence", "silence"];

export const rows: readonly Row[] = [
  row({ name: "ClusterIP", to: clusterIp("cluster"), by: b(1, 2), cells: replies }),
  row({
    name: "NodePort, the client's own node",
    to: nodePort("node-port", own),
    ...{ by: b(1, 2), cells: replies },
  }),
  row({
    name: "NodePort, every other node",
    to: nodePort("node-port", another),
    ...{ by: b(1, 2), cells: ["gateway", "gateway", "gateway", "gateway"] },
  }),
  row({ name: "externalIPs", to: externalIp("external"), by: b(1, 2), cells: [...replies, "gateway"] }),
  row({ name: "LoadBalancer ingress", to: ingress("balanced"), by: b(1, 2), cells: [...replies, "gateway"] }),
  row({ name: "No endpoint: ClusterIP", to: clusterIp("nobody"), cells: refusals }),
  row({
    name: "No endpoint: NodePort",
    to: nodePort("nobody", (node, source) => source.node === undefined || own(node, source)),
    cells: [...refusals, "refused"],
  }),
  row({ name: "No endpoint: externalIPs", to: externalIp("nobody"), cells: [...refusals, "refused"] }),
  row({ name: "No endpoint: LoadBalancer ingress", to: ingress("nobody"), cells: [...refusals, "refused"] }),
  row({
    name: "externalTrafficPolicy Local: NodePort, a node with an endpoint",
    to: nodePort("external-local", node1),
    ...{ by: b(1), cells: ["client", "node", "client", "client"] },
  }),
  row({
    name: "externalTrafficPolicy Local: NodePort, a node without one",
    to: nodePort("external-local", (node, source) => notNode1(node) && another(node, source)),
    cells: [...silences, "silence"],
  }),
  row({
    name: "externalTrafficPolicy Local: the client's own NodePort",
    to: nodePort("external-local", own),
    ...{ by: b(1), cells: replies },
  }),
  row({
    name: "externalTrafficPolicy Local: externalIPs, by a node with an endpoint",
    to: externalIp("external-local", 0),
    ...{ by: b(1), cells: [...replies, "client"] },
  }),
  row({
    name: "externalTrafficPolicy Local: externalIPs, by a node without one",
    to: externalIp("external-local", 1),
    ...{ by: b(1), cells: [...replies, "silence"] },
  }),
  row({
    name: "externalTrafficPolicy Local: LoadBalancer ingress",
    to: ingress("external-local"),
    ...{ by: b(1), cells: [...replies, "client"] },
  }),
  row({
    name: "internalTrafficPolicy Local: an endpoint on each node",
    to: clusterIp("internal-local"),
    ...{ by: sameNode, cells: replies },
  }),
  row({
    name: "internalTrafficPolicy Local: none on the client's node",
    to: clusterIp("internal-elsewhere"),
    ...{ cells: silences, except: ["default/host-client"] },
  }),
  row({
    name: "internalTrafficPolicy Local with externalTrafficPolicy Cluster: NodePort",
    to: nodePort("both-policies", (node, source) => source.node === undefined || own(node, source)),
    ...{ by: b(2), cells: [...replies, "gateway"] },
  }),
  special(
    "healthCheckNodePort, a node with an endpoint",
    Array.from({ length: 4 }, () => "200, localEndpoints 1"),
    healthz(node1),
  ),
  special(
    "healthCheckNodePort, a node without one",
    Array.from({ length: 4 }, () => "503, localEndpoints 0"),
    healthz(notNode1),
  ),
  special(
    "sessionAffinity ClientIP",
    ["one backend", "one backend", "one backend", "one backend"],
    async (scene, source, family) => {
      // Where it comes in from outside each node counts for itself, as with kube-proxy.
      const targets = nearest("sticky")(scene, source, family).slice(0, 1);
      const answer = await ask(scene, source, { targets, protocols: ["tcp"], peers: b(1, 2, 3), times: 12 });
      const peers = new Set(answer.peers);
      return peers.size === 1 && answer.peers.length === 12 ? "one backend" : `${peers.size} backends, ${answer.text}`;
    },
  ),
  row({ name: "Some endpoints ready", to: clusterIp("some-ready"), by: b(1), cells: replies }),
  row({ name: "None ready, one serving and terminating", to: clusterIp("terminating"), by: b(1), cells: replies }),
  row({ name: "None ready, none serving", to: clusterIp("none-serving"), cells: refusals }),
  row({ name: "publishNotReadyAddresses", to: clusterIp("publish"), by: b(1), cells: replies }),
  row({ name: "Hints of all endpoints: the zone's own", to: clusterIp("hinted"), by: sameNode, cells: replies }),
  row({ name: "Hints of some endpoints only: all", to: clusterIp("half-hinted"), by: b(1, 2, 3), cells: replies }),
  row({ name: "trafficDistribution PreferClose", to: clusterIp("close"), by: sameNode, cells: replies }),
  row({
    name: "Single stack, IPv4",
    to: clusterIp("only-ipv4"),
    ...{ by: b(1, 2), cells: replies, families: ["ipv4"] },
  }),
  row({
    name: "Single stack, IPv6",
    to: clusterIp("only-ipv6"),
    ...{ by: b(1, 2), cells: replies, families: ["ipv6"] },
  }),
  row({
    name: "Target port by name, another number in each pod",
    to: clusterIp("named"),
    ...{ by: ["default/named-1", "default/named-2"], cells: replies, protocols: ["tcp"] },
  }),
  row({
    name: "SCTP: ClusterIP, the target port is the port",
    to: clusterIp("sctp-same-port", 8080),
    ...{ by: b(1, 2), cells: replies, protocols: ["sctp"] },
  }),
  special(
    "Hairpin: a backend reaches itself by its service",
    ["hairpin", "hairpin", "-", "-"],
    async (scene, source, family) => {
      const pod = source.vantage === "pod, same node" ? "default/b1" : "default/b2";
      const { namespace } = await scene.place(pod);
      const targets = clusterIp("cluster")(scene, source, family);
      // Whom else it reaches is the row ClusterIP's concern: asked until the answer was its own.
      const hairpin = { ...source, name: pod, namespace };
      for (let asked = 0; asked < 12; asked += 1) {
        const answer = await ask(scene, hairpin, { targets, protocols: ["tcp"], peers: [pod], times: 1 });
        if (answer.peers.includes(pod) || answer.peers.length === 0) return answer.text;
      }
      return "never itself";
    },
  ),
  flushRow("UDP: a flow whose backend went", "replaced", ["b1"], ["b2"]),
  flushRow("UDP: a flow from before the first backend", "late", [], ["b2"]),
  special(
    "Headless: by name to the pods themselves",
    ["resolves", "resolves", "resolves"],
    resolves("headless.default.svc.cluster.local", (scene, family) =>
      ["b1", "b2"].map((pod) => scene.podAddress(pod, family)),
    ),
  ),
  special("ExternalName: no rows, DNS alone", [], () => Promise.reject(new Error("there is nothing to ask"))),
  row({ name: "service-proxy-name: another's", to: clusterIp("another-proxy"), cells: silences }),
  row({
    name: "loadBalancerSourceRanges with the client",
    to: ingress("for-everyone"),
    ...{ by: b(1, 2), cells: ["gateway", "gateway", "gateway", "gateway"] },
  }),
  row({
    name: "loadBalancerSourceRanges without the client",
    to: ingress("for-nobody"),
    cells: [...silences, "silence"],
  }),
  row({
    name: "allocateLoadBalancerNodePorts false: ingress",
    to: ingress("without-node-ports"),
    ...{ by: b(1, 2), cells: [...replies, "gateway"] },
  }),
  row({
    name: "Backend on its node's network: ClusterIP",
    to: clusterIp("on-host"),
    ...{ by: ["default/host-backend"], cells: replies, except: ["default/host-client"] },
  }),
  row({
    name: "Hairpin: a node reaches a backend on its own network",
    to: clusterIp("on-host"),
    ...{ by: ["default/host-backend"], cells: ["-", "-", "hairpin"], except: ["node1", "node3"] },
  }),
  row({
    name: "Backend on its node's network: NodePort",
    to: nodePort("on-host", (node, source) => source.node === undefined || own(node, source)),
    ...{ by: ["default/host-backend"], cells: [...replies, "gateway"], except: ["default/host-client"] },
  }),
  row({ name: "No selector, slices by hand", to: clusterIp("manual"), by: b(1, 2), cells: replies }),
  row({
    name: "kubernetes.default",
    to: (scene, _source, family) =>
      inFamily(scene.service("kubernetes").spec?.clusterIPs, family).map((address) => ({ address, port: 443 })),
    ...{ cells: ["reply", "reply", "reply"], protocols: ["tcp"], families: ["ipv4"] },
  }),
  special(
    "DNS: a service's name, asked of 10.96.0.10",
    ["resolves", "resolves", "resolves"],
    resolves("cluster.default.svc.cluster.local", (scene, family) =>
      inFamily(scene.service("cluster").spec?.clusterIPs, family),
    ),
  ),
];
