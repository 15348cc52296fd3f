import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Lab, startLab } from "../../../lab/index.ts";
import { type Cluster, openCluster } from "../cluster.ts";
import { createServices, measureRow } from "../services/measure-rows.ts";
import { type Row, rows } from "../services/rows.ts";
import { type Scene, setScene, type Vantage } from "../services/scene.ts";
import { createTenant } from "./same-addresses.ts";

/**
 * Every line of what Services promise, with clients and backends in a tenant's subnet: the same as outside of tenants, but for what
 * docs/services.md tells.
 */

type Cells = Partial<Row["cells"]>;

const silentToPods: Cells = { "pod, same node": "silence", "pod, other node": "silence" };
const inTenants: Readonly<Record<string, Cells>> = { "loadBalancerSourceRanges with the client": silentToPods };

/** What a switch over all nodes, which is in no zone and on no node, gets otherwise. */
const overAllNodes: Readonly<Record<string, Cells>> = {
  ...inTenants,
  "internalTrafficPolicy Local: an endpoint on each node": silentToPods,
};
/** There backends of other zones answer too, whose names the line doesn't expect. */
const ofZones = ["Hints of all endpoints: the zone's own", "trafficDistribution PreferClose"];

const modes = [
  {
    mode: "PerNode",
    subnet: {},
    rows: rows.map((row): Row => ({ ...row, cells: { ...row.cells, ...inTenants[row.name] } })),
  },
  {
    mode: "Cluster",
    subnet: { mode: "Cluster", nodePrefixLengths: undefined },
    rows: rows
      .filter(({ name }) => !ofZones.includes(name))
      .map((row): Row => ({ ...row, cells: { ...row.cells, ...overAllNodes[row.name] } })),
  },
];

describe.each(modes)("inside a tenant with a subnet of mode $mode, a service", ({ mode, subnet, rows: wanted }) => {
  let lab: Lab;
  let cluster: Cluster;
  let scene: Scene;
  const results = new Map<Row, ReadonlyMap<Vantage, string>>();

  beforeAll(async () => {
    lab = await startLab({ name: `tenant-${mode.toLowerCase()}`, nodes: 3, demoPods: false });
    cluster = await openCluster(lab.kubeconfig);
    await createTenant(cluster, "shop", ["default"], { subnet });
    scene = await setScene(lab, cluster);
    await createServices(scene);
    const measure = async (row: Row) => results.set(row, await measureRow(scene, row));
    await Promise.all(wanted.filter(({ stage }) => stage === undefined).map(measure));
    for (const row of wanted) if (row.stage !== undefined) await measure(row);
  });

  afterAll(async () => {
    await scene?.close();
    await cluster?.close();
    await lab?.down();
  });

  it("has pods at addresses that are one of a kind", () => {
    expect(scene.podAddress("b1", "ipv4")).toMatch(/^100\.8\d\./);
    expect(scene.podAddress("b1", "ipv6")).toMatch(/^fd97:/);
  });

  it.each(wanted)("$name", (row) => {
    expect(Object.fromEntries(results.get(row) ?? [])).toEqual(row.cells);
  });
});
