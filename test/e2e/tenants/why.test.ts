import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { BatchAnswer } from "../../../controller/serve/policy-api.ts";
import { podNetworkAnnotation, podNetworkAnnotationKey } from "../../../kube/index.ts";
import { type Lab, type ProbeSpec, startLab } from "../../../lab/index.ts";
import { type Cluster, openCluster } from "../cluster.ts";
import {
  listOf,
  namespaceObject,
  serviceObject,
  subnetObject,
  type TenantSpec,
  tenantObject,
  tenantPodObject,
} from "./objects.ts";
import { untilSubnetReady } from "./same-addresses.ts";

/**
 * What `why` says of those whom tenants keep apart, join and share with, and of policies among peers, and what is on the wire, are
 * the same. `red` and `blue` have one network, `green` is red's peer, and red may use a Service of `default`.
 */

const pods = [
  ["red", "one", "node1"],
  ["red", "two", "node2"],
  ["blue", "one", "node1"],
  ["green", "one", "node2"],
  ["green", "two", "node1"],
  ["default", "shared", "node1"],
  ["default", "other", "node2"],
] as const;
const networks = {
  red: { cidrs: ["10.10.0.0/16", "fd10::/64"], egress: { mode: "Node" } },
  blue: { cidrs: ["10.10.0.0/16", "fd10::/64"], egress: { mode: "None" } },
  green: { cidrs: ["10.20.0.0/16", "fd20::/48"], egress: { mode: "Node" } },
} as const;
const joined: Readonly<Record<string, TenantSpec>> = {
  red: { peers: ["green"], services: [{ namespace: "default", name: "shared" }] },
  blue: {},
  green: { peers: ["red"] },
};
const families = ["ipv4", "ipv6"] as const;
const outside = { ipv4: "203.0.113.10", ipv6: "2001:db8:113::10" } as const;
const outsidePort = 8080;

/** Only red's first pod may come to green's first, and to one port: seen at either of its addresses. */
const policy = {
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { namespace: "green", name: "guests" },
  spec: {
    podSelector: { matchLabels: { name: "one" } },
    ingress: [
      {
        from: [
          {
            namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "red" } },
            podSelector: { matchLabels: { name: "one" } },
          },
        ],
        ports: [{ port: 8080 }],
      },
    ],
  },
};

let lab: Lab;
let cluster: Cluster;

interface Asked {
  readonly probe: ProbeSpec;
  readonly query: {
    readonly from: string;
    readonly to: string;
    readonly port: string;
    readonly protocol: "tcp" | "udp";
  };
}

function ownAddress(key: string, family: (typeof families)[number]): string | undefined {
  const text = cluster.pods.get(key)?.metadata?.annotations?.[podNetworkAnnotationKey];
  const network = text === undefined ? undefined : podNetworkAnnotation.parse(JSON.parse(text));
  if (network?.infrastructure === undefined) return undefined;
  const found = network.addresses.find((address) => address.includes(":") === (family === "ipv6"));
  return found?.split("/")[0];
}

const keyOf = ([namespace, name]: (typeof pods)[number]): string => `${namespace}/${name}`;
const sees = (from: string, to: string): boolean =>
  from === to || [from, to].every((tenant) => tenant === "red" || tenant === "green");

function asked(): readonly Asked[] {
  const found: Asked[] = [];
  const both = ["tcp", "udp"] as const;
  const add = (
    from: string,
    to: string,
    named: string,
    port: number,
    family: (typeof families)[number],
    protocols: readonly (typeof both)[number][] = both,
  ): void => {
    for (const protocol of protocols) {
      found.push({
        probe: { from, to, port, protocol, family, timeoutMs: 700 },
        query: { from, to: named, port: String(port), protocol },
      });
    }
  };
  for (const family of families) {
    for (const from of pods) {
      for (const to of pods) {
        if (from === to) continue;
        for (const port of [8080, 9090]) add(keyOf(from), keyOf(to), keyOf(to), port, family);
        const own = sees(from[0], to[0]) ? ownAddress(keyOf(to), family) : undefined;
        // A UDP server on all addresses answers what comes from another subnet by the address that is for everybody.
        if (own !== undefined) add(keyOf(from), own, own, 8080, family, from[0] === to[0] ? both : ["tcp"]);
      }
      add(keyOf(from), "service:default/shared:80", "service:default/shared:80", 80, family);
      found.push({
        probe: { from: keyOf(from), to: outside[family], port: outsidePort, protocol: "tcp", timeoutMs: 700 },
        query: { from: keyOf(from), to: outside[family], port: String(outsidePort), protocol: "tcp" },
      });
    }
    for (const to of pods) add("node:node1", keyOf(to), keyOf(to), 8080, family);
  }
  return found;
}

async function whyOf(all: readonly Asked[]): Promise<readonly BatchAnswer[]> {
  const text = await lab.exec(
    "central",
    ["curl", "-sS", "--max-time", "10", "--data-binary", "@-", "http://127.0.0.1:9440/v1/why"],
    { input: JSON.stringify({ queries: all.map(({ query }) => query) }) },
  );
  const { answers } = JSON.parse(text) as { readonly answers?: readonly BatchAnswer[] };
  if (answers === undefined) throw new Error(`why was not answered: ${text.slice(0, 500)}`);
  return answers;
}

/** @returns where they differ, in words */
async function differences(all: readonly Asked[]): Promise<readonly string[]> {
  const answers = await whyOf(all);
  const outcomes = await lab.probe(all.map(({ probe }) => probe));
  return all.flatMap(({ probe, query }, position) => {
    const answer = answers[position];
    const outcome = outcomes[position];
    const paths = answer === undefined || !("paths" in answer) ? [] : answer.paths;
    const isIpv6 = probe.family === "ipv6" || probe.to.startsWith("2001:");
    const path = paths.find(({ family }) => (family === 6) === isIpv6);
    const passes = outcome?.verdict === "connected" || outcome?.verdict === "refused";
    if (path !== undefined && (path.verdict === "allowed") === passes) return [];
    return [`${JSON.stringify(query)}: ${JSON.stringify(outcome)}, why says ${JSON.stringify(path ?? answer)}`];
  });
}

beforeAll(async () => {
  lab = await startLab({ name: "tenant-why", nodes: 2, demoPods: false });
  cluster = await openCluster(lab.kubeconfig);
  const names = Object.keys(networks) as (keyof typeof networks)[];
  const apply = (...items: readonly object[]) => lab.kubectl(["apply", "-f", "-"], { input: listOf(...items) });
  await apply(
    ...names.flatMap((name) => [
      tenantObject(name, joined[name]),
      subnetObject(name, { tenant: name, mode: name === "green" ? "PerNode" : "Cluster", ...networks[name] }),
      namespaceObject(name),
    ]),
  );
  await Promise.all(names.map((name) => untilSubnetReady(cluster, name)));
  await apply(
    ...pods.map(([namespace, name, node]) =>
      tenantPodObject({ namespace, name, node, labels: { name }, ports: [8080, 9090] }),
    ),
    serviceObject("default", "shared", { name: "shared" }),
    policy,
  );
  await Promise.all(pods.map((pod) => cluster.untilReady(keyOf(pod))));
});

afterAll(async () => {
  await cluster?.close();
  await lab?.down();
});

describe("why, in tenants", () => {
  it("says what is on the wire, of all pairs, at all addresses, of a shared Service and of outside", async () => {
    const all = asked();
    let left = await differences(all);
    for (const begun = performance.now(); left.length > 0 && performance.now() - begun < 8000; ) {
      left = await differences(all);
    }
    expect(left).toEqual([]);
  });

  it("tells tenants, peers, shared Services and Subnets without a way out from policies", async () => {
    const reason = async (from: string, to: string, port: string, protocol: "tcp" | "udp" = "tcp") => {
      const [answer] = await whyOf([{ probe: { from, to }, query: { from, to, port, protocol } }]);
      const path = answer !== undefined && "paths" in answer ? answer.paths[0] : undefined;
      return [path?.verdict, path?.network?.reason, path?.egress.by, path?.ingress.by];
    };
    expect(await reason("blue/one", "red/one", "8080")).toEqual(["denied", "tenants", "default", "default"]);
    expect(await reason("red/one", "green/two", "8080")).toEqual(["allowed", "peers", "default", "default"]);
    expect(await reason("red/two", "green/one", "8080")).toEqual(["denied", "peers", "default", "isolation"]);
    expect(await reason("red/one", "green/one", "8080")).toEqual(["allowed", "peers", "default", "rule"]);
    expect(await reason("red/one", "service:default/shared", "80")).toEqual([
      ...["allowed", "shared-service", "default", "default"],
    ]);
    expect(await reason("green/one", "service:default/shared", "80")).toEqual([
      ...["denied", "tenants", "default", "default"],
    ]);
    expect(await reason("blue/one", outside.ipv4, "80")).toEqual(["denied", "egress-none", "default", "exemption"]);
  });
});
