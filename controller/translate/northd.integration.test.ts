import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Client, createClient, type Replica, type UntypedModel } from "ovsdb-client-ts";
import { type OvsdbServer, startOvsdbServer } from "ovsdb-client-ts/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createGraph, type Graph } from "../graph/graph.ts";
import { createIpam } from "../ipam/ipam.ts";
import { parseNetworkConfig } from "../ipam/network-config.ts";
import { projectNode } from "../state/node.ts";
import { projectPod } from "../state/pod.ts";
import { nodeAddressVariable } from "./chassis-template-var.ts";
import type { BundleChange } from "./desired.ts";
import { gatewaysGroup, nodeSwitchGroup, switchesGroup } from "./load-balancer-groups.ts";
import { ownerKey } from "./owner.ts";

const run = promisify(execFile);

/** Three nodes with gateways, two pods on each, both families. */
function clusterGraph(): Graph {
  const config = parseNetworkConfig({});
  if (config.kind === "invalid") throw new Error(JSON.stringify(config.problems));
  const report = (problem: unknown) => expect.unreachable(JSON.stringify(problem));
  const graph = createGraph({ network: config.network, ipam: createIpam(config.network), report });
  for (const number of [1, 2, 3]) {
    const chassis = {
      systemId: `chassis-${number}`,
      gateway: {
        mac: `02:00:00:00:00:0${number}`,
        addresses: [`192.168.50.1${number}/24`, `fc00:50::1${number}/64`],
        nextHops: ["192.168.50.1", "fc00:50::1"],
        physicalNetwork: "physnet",
      },
    };
    const object = projectNode({
      metadata: {
        name: `n${number}`,
        uid: `u${number}`,
        annotations: { "ovenbird.io/chassis": JSON.stringify(chassis) },
      },
      status: { addresses: [{ type: "InternalIP", address: `192.168.50.1${number}` }] },
    });
    graph.apply({ kind: "node", change: "upsert", key: `n${number}`, object });
  }
  for (const number of [0, 1, 2, 3, 4, 5]) {
    const name = `p${number}`;
    const metadata = { namespace: "demo", name, uid: `uid-${number}` };
    const object = projectPod({ metadata, spec: { nodeName: `n${Math.floor(number / 2) + 1}` } });
    graph.apply({ kind: "pod", change: "upsert", key: `demo/${name}`, object });
  }
  return graph;
}

/** Everything in one transaction: the server checks types, references and indexes at its end. */
async function write(client: Client<UntypedModel>, changes: readonly BundleChange[]): Promise<void> {
  const transaction = client.transaction();
  const bundles = changes.flatMap(({ bundle }) => bundle ?? []);
  for (const { table, uuid, owner, columns } of bundles.flatMap(({ rows }) => rows)) {
    const externalIds = table === "Load_Balancer_Group" ? {} : { external_ids: { [ownerKey]: owner } };
    transaction.insert(table, { ...columns, ...externalIds }, uuid);
  }
  for (const { table, row, column, member } of bundles.flatMap(({ memberships }) => memberships)) {
    transaction.mutate(table, row, { [column]: { insert: [member] } });
  }
  await transaction.commit();
}

/** A service by each of the ways in: its own address from every switch, a port of each node from outside and inside. */
async function writeLoadBalancers(client: Client<UntypedModel>): Promise<void> {
  const transaction = client.transaction();
  const uuids = ["1", "2"].map((digit) => `0000000${digit}-0000-4000-8000-0000000000aa`);
  const common = { protocol: "tcp", selection_fields: ["ip_src", "ip_dst", "tp_src", "tp_dst"] };
  const vips = { "10.96.0.9:80": "10.244.2.3:8080", "[fd00:10:96::9]:80": "[fd00:10:244:2::3]:8080" };
  transaction.insert("Load_Balancer", { name: "cluster", vips, ...common }, uuids[0]);
  const options = { template: "true", "address-family": "ipv6" };
  const port = { [`^${nodeAddressVariable(6, 0)}:30080`]: "[fd00:10:244:2::3]:8080" };
  transaction.insert("Load_Balancer", { name: "port", vips: port, options, ...common }, uuids[1]);
  const [cluster = "", nodePort = ""] = uuids;
  transaction.mutate("Load_Balancer_Group", switchesGroup("").uuid, { load_balancer: { insert: uuids } });
  transaction.mutate("Load_Balancer_Group", gatewaysGroup.uuid, { load_balancer: { insert: [nodePort] } });
  transaction.mutate("Load_Balancer_Group", nodeSwitchGroup("n1").uuid, { load_balancer: { insert: [cluster] } });
  await transaction.commit();
}

/** The chassis and what it has learnt of its uplink's gateway, which ovn-controller would write. */
async function writeChassis(client: Client<UntypedModel>): Promise<void> {
  const transaction = client.transaction();
  for (const number of [1, 2, 3]) {
    const name = `chassis-${number}`;
    const [chassis, encap] = ["c", "e"].map((letter) => `0000000${number}-0000-4000-8000-00000000000${letter}`);
    transaction.insert("Encap", { chassis_name: name, type: "geneve", ip: `192.168.50.1${number}` }, encap);
    transaction.insert("Chassis", { name, hostname: `n${number}`, encaps: [encap] }, chassis);
  }
  await transaction.commit();
}

async function writeNeighbours(client: Client<UntypedModel>, ports: Iterable<UntypedModel[string]>): Promise<void> {
  const transaction = client.transaction();
  for (const { logical_port, datapath } of ports) {
    if (!/^gateway\.n\d-to-external$/.test(String(logical_port))) continue;
    for (const ip of ["192.168.50.1", "fc00:50::1"]) {
      transaction.insert("MAC_Binding", { logical_port, ip, mac: "02:00:00:00:00:fe", datapath });
    }
  }
  await transaction.commit();
}

/** Resolves when the replica's content satisfies the condition. */
function until(replica: Replica<UntypedModel>, condition: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    if (condition()) return resolve();
    const unsubscribe = replica.subscribe(() => {
      if (!condition()) return;
      unsubscribe();
      resolve();
    });
  });
}

describe("ovn-northd", () => {
  let northbound: OvsdbServer;
  let southbound: OvsdbServer;
  let northd: ChildProcess;
  let nbClient: Client<UntypedModel>;
  let sbClient: Client<UntypedModel>;
  let sb: Replica<UntypedModel>;
  let logFile: string;
  const graph = clusterGraph();

  beforeAll(async () => {
    northbound = await startOvsdbServer({ schemaFile: "/usr/share/ovn/ovn-nb.ovsschema" });
    southbound = await startOvsdbServer({ schemaFile: "/usr/share/ovn/ovn-sb.ovsschema" });
    logFile = join(northbound.folder, "northd.log");
    nbClient = createClient<UntypedModel>({ endpoints: northbound.endpoint, database: "OVN_Northbound" });
    sbClient = createClient<UntypedModel>({ endpoints: southbound.endpoint, database: "OVN_Southbound" });
    await Promise.all([nbClient.ready(), sbClient.ready()]);
    sb = await sbClient.replicate({
      SB_Global: ["nb_cfg"],
      Port_Binding: "all",
      Address_Set: "all",
      Chassis_Template_Var: "all",
    });
    const nb = await nbClient.replicate({ NB_Global: ["nb_cfg"] });
    northd = spawn(
      "ovn-northd",
      [
        `--ovnnb-db=${northbound.unixEndpoint}`,
        `--ovnsb-db=${southbound.unixEndpoint}`,
        `--unixctl=${join(northbound.folder, "northd.ctl")}`,
        `--log-file=${logFile}`,
      ],
      { stdio: "ignore" },
    );
    await until(nb, () => nb.table("NB_Global").size === 1);
    await writeChassis(sbClient);
    await write(nbClient, graph.flush());
    await writeLoadBalancers(nbClient);
    const [global] = [...nb.table("NB_Global").values()];
    if (global === undefined) throw new Error("northd made no NB_Global row");
    await nbClient.transaction().update("NB_Global", global._uuid, { nb_cfg: 1 }).commit();
    // SB_Global.nb_cfg follows once northd has compiled all that was committed before it.
    await until(sb, () => [...sb.table("SB_Global").values()].some((row) => row.nb_cfg === 1));
    await writeNeighbours(sbClient, sb.table("Port_Binding").values());
  });

  afterAll(async () => {
    await Promise.all([nbClient?.close(), sbClient?.close()]);
    if (northd !== undefined) {
      const ended = once(northd, "exit");
      northd.kill();
      await ended;
    }
    await Promise.all([northbound?.stop(), southbound?.stop()]);
  });

  /** The end of what happens to a packet, in ovn-trace's words. */
  async function trace(datapath: string, flow: string): Promise<string> {
    const { stdout } = await run("ovn-trace", [
      `--db=${southbound.unixEndpoint}`,
      "--ct=new",
      "--minimal",
      datapath,
      flow,
    ]);
    return stdout;
  }

  /** A packet as a pod sends it: to its router. */
  function fromPod(key: string, destination: string, port = 80): Promise<string> {
    const network = graph.podNetwork(key);
    if (network === undefined) throw new Error(`${key} has no port`);
    const family = destination.includes(":") ? 6 : 4;
    const source = network.addresses[family === 4 ? 0 : 1]?.split("/", 1)[0];
    const block = network.gateways[0]?.split(".")[2];
    const router = `0a:58:0a:f4:0${block}:01`;
    const packet = [
      `inport == "${network.port}"`,
      `eth.src == ${network.mac}`,
      `eth.dst == ${router}`,
      `ip${family}.src == ${source}`,
      `ip${family}.dst == ${destination}`,
      "ip.ttl == 64",
      `tcp.dst == ${port}`,
    ];
    return trace(`n${Number(block) + 1}`, packet.join(" && "));
  }

  it("takes all rows without a word of complaint", async () => {
    const complaints = (await readFile(logFile, "utf8")).split("\n").filter((line) => /\|(WARN|ERR|EMER)\|/.test(line));
    expect(complaints).toEqual([]);
  });

  it("binds every port that there should be", () => {
    const names = [...sb.table("Port_Binding").values()].map(({ logical_port }) => String(logical_port)).sort();
    const perNode = ["n1", "n2", "n3"].flatMap((node) => [
      `default-to-switch.${node}`,
      `external.${node}-localnet`,
      `external.${node}-to-gateway`,
      `gateway.${node}-to-external`,
      `gateway.${node}-to-join`,
      `join-to-gateway.${node}`,
      `management.${node}`,
      `switch.${node}-to-default`,
    ]);
    const pods = [0, 1, 2, 3, 4, 5].map((number) => `demo_p${number}`);
    expect(names).toEqual([...perNode, ...pods, "default-to-join", "join-to-default"].sort());
  });

  it("binds a gateway router's ports to its chassis", () => {
    const rows = [...sb.table("Port_Binding").values()];
    const port = rows.find(({ logical_port }) => logical_port === "gateway.n2-to-join");
    expect(port?.type).toBe("l3gateway");
    expect(port?.options as ReadonlyMap<string, string>).toEqual(
      expect.toSatisfy((options: ReadonlyMap<string, string>) => options.get("l3gateway-chassis") === "chassis-2"),
    );
  });

  it("sends a pod's packet to a pod on another node, in both families", async () => {
    expect(await fromPod("demo/p0", "10.244.2.3")).toMatch(/output\("demo_p4"\)/);
    expect(await fromPod("demo/p0", "fd00:10:244:2::4")).toMatch(/output\("demo_p5"\)/);
  });

  it("sends a pod's packet to any node's address over that node's management port, untranslated", async () => {
    const ipv4 = await fromPod("demo/p0", "192.168.50.12");
    expect(ipv4).toMatch(/output\("management\.n2"\)/);
    expect(ipv4).not.toMatch(/ct_snat|ip4\.src/);
    expect(await fromPod("demo/p0", "fc00:50::11")).toMatch(/output\("management\.n1"\)/);
  });

  it("sends what leaves the cluster through the gateway of the pod's node, from that node's address", async () => {
    for (const [destination, source] of [
      ["203.0.113.9", "192.168.50.12"],
      ["2001:db8::9", "fc00:50::12"],
    ] as const) {
      const text = await fromPod("demo/p2", destination);
      expect(text).toMatch(new RegExp(`ct_snat\\(ip[46]\\.src=${source}\\)`));
      expect(text).toMatch(/output\("external\.n2-localnet"\)/);
    }
  });

  it("balances a service's address on the switch of the client", async () => {
    expect(await fromPod("demo/p0", "10.96.0.9")).toMatch(/output\("demo_p4"\)/);
    expect(await fromPod("demo/p2", "fd00:10:96::9")).toMatch(/output\("demo_p4"\)/);
  });

  it("lets nothing for a service out of the cluster that no load balancer took", async () => {
    expect(await fromPod("demo/p0", "10.96.0.10")).not.toMatch(/output\(/);
    expect(await fromPod("demo/p0", "fd00:10:96::10")).not.toMatch(/output\(/);
  });

  it("tells every chassis the addresses of its node", () => {
    const variables = [...sb.table("Chassis_Template_Var").values()].map(({ chassis, variables }) => [
      chassis,
      (variables as ReadonlyMap<string, string>).get("NODE_IPV6_0"),
    ]);
    expect(variables.sort()).toEqual([1, 2, 3].map((number) => [`chassis-${number}`, `fc00:50::1${number}`]));
  });

  it("knows the set of the nodes' addresses", () => {
    const sets = new Map([...sb.table("Address_Set").values()].map(({ name, addresses }) => [name, addresses]));
    expect([...(sets.get("default.nodes.ipv4") as ReadonlySet<string>)].sort()).toEqual([
      "192.168.50.11",
      "192.168.50.12",
      "192.168.50.13",
    ]);
  });

  it("drops what is for an address of the cluster that no node has", async () => {
    const text = await fromPod("demo/p0", "10.244.200.7");
    expect(text).not.toMatch(/output\(/);
    // Once by the tenant router and once by the gateway router; not round and round between the two.
    expect(text.match(/ip\.ttl--/g)).toHaveLength(2);
  });

  it("lets no pod send from another's address", async () => {
    const network = graph.podNetwork("demo/p0");
    const packet = `inport == "demo_p0" && eth.src == ${network?.mac} && eth.dst == 0a:58:0a:f4:00:01 && ip4.src == 10.244.0.4 && ip4.dst == 10.244.2.3 && ip.ttl == 64`;
    expect(await trace("n1", packet)).not.toMatch(/output\(/);
  });
});
