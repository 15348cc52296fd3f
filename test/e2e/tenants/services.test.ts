import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Lab, startLab } from "../../../lab/index.ts";
import { type Cluster, openCluster } from "../cluster.ts";
import { createServices, measureRow } from "../services/measure-rows.ts";
import { type Row, rows } from "../services/rows.ts";
import { type Scene, setScene, type Vantage } from "../services/scene.ts";
import { tableOf } from "../services/table.ts";
import { createTenant } from "./same-addresses.ts";

/** Every line of what Services promise, with clients and backends in a tenant's subnet: the same as outside of tenants. */

/** But for these, which docs/services.md tells. */
const otherwise: Readonly<Record<string, Partial<Row["cells"]>>> = {
  "loadBalancerSourceRanges with the client": { "pod, same node": "silence", "pod, other node": "silence" },
};
const rowsInTenant = rows.map((row): Row => ({ ...row, cells: { ...row.cells, ...otherwise[row.name] } }));

let lab: Lab;
let cluster: Cluster;
let scene: Scene;
const results = new Map<Row, ReadonlyMap<Vantage, string>>();

beforeAll(async () => {
  lab = await startLab({ name: "tenant-services", nodes: 3, demoPods: false });
  cluster = await openCluster(lab.kubeconfig);
  await createTenant(cluster, "shop", ["default"]);
  scene = await setScene(lab, cluster);
  await createServices(scene);
  const measure = async (row: Row) => results.set(row, await measureRow(scene, row));
  await Promise.all(rowsInTenant.filter(({ stage }) => stage === undefined).map(measure));
  for (const row of rowsInTenant) if (row.stage !== undefined) await measure(row);
  console.info(tableOf(rowsInTenant, (row, vantage) => results.get(row)?.get(vantage) ?? "not measured"));
});

afterAll(async () => {
  await scene?.close();
  await cluster?.close();
  await lab?.down();
});

describe("inside a tenant, a service", () => {
  it("has pods at addresses that are one of a kind", () => {
    expect(scene.podAddress("b1", "ipv4")).toMatch(/^100\.8\d\./);
    expect(scene.podAddress("b1", "ipv6")).toMatch(/^fd97:/);
  });

  it.each(rowsInTenant)("$name", (row) => {
    expect(Object.fromEntries(results.get(row) ?? [])).toEqual(row.cells);
  });
});
