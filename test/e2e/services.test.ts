import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Lab, startLab } from "../../lab/index.ts";
import { type Cluster, openCluster } from "./cluster.ts";
import { networkOf, northboundOf } from "./network.ts";
import { untilAsFromScratch } from "./northbound.ts";
import { createServices, measureRow } from "./services/measure-rows.ts";
import { metBackends, type Row, rows } from "./services/rows.ts";
import { type Scene, setScene, type Vantage } from "./services/scene.ts";
import { tableIn, tableOf } from "./services/table.ts";

/** Every line of what Services promise, on real packets, from four vantage points and in both families. */

let lab: Lab;
let cluster: Cluster;
let scene: Scene;
const results = new Map<Row, ReadonlyMap<Vantage, string>>();

beforeAll(async () => {
  lab = await startLab({ name: "services", nodes: 3, demoPods: false });
  cluster = await openCluster(lab.kubeconfig);
  scene = await setScene(lab, cluster);
  await createServices(scene);
  const begin = performance.now();
  const measure = async (row: Row) => results.set(row, await measureRow(scene, row));
  await Promise.all(rows.filter(({ stage }) => stage === undefined).map(measure));
  // What happens while something changes is told apart from what 150 other flows do.
  for (const row of rows) if (row.stage !== undefined) await measure(row);
  console.info(`${rows.length} rows measured in ${((performance.now() - begin) / 1000).toFixed(1)} s`);
  console.info(tableOf(rows, (row, vantage) => results.get(row)?.get(vantage) ?? "not measured"));
});

afterAll(async () => {
  await scene?.close();
  await cluster?.close();
  await lab?.down();
});

describe("a service", () => {
  it.each(rows)("$name", (row) => {
    expect(Object.fromEntries(results.get(row) ?? [])).toEqual(row.cells);
  });

  it("is answered by each of its backends", () => {
    const missing = [...metBackends].flatMap(([name, { wanted, met }]) => {
      const row = rows.find((one) => one.name === name);
      const isAnswered = Object.values(row?.cells ?? {}).some((cell) =>
        ["client", "gateway", "hairpin"].includes(cell),
      );
      return isAnswered ? [...wanted].filter((peer) => !met.has(peer)).map((peer) => `${name}: ${peer}`) : [];
    });
    expect(missing).toEqual([]);
  });

  it("that is left alone has no row", async () => {
    const listed = await lab.exec("central", [
      ...["ovn-nbctl", "--timeout=10", "--bare", "--columns=name", "list", "Load_Balancer"],
    ]);
    expect(listed).toContain("default/cluster");
    expect(listed).not.toMatch(/default\/(headless|alias|another-proxy)#/);
  });

  it("of every kind is in the database as a translation from scratch has it", async () => {
    const { differences } = await untilAsFromScratch(cluster.client, networkOf(lab), northboundOf(lab));
    expect(differences).toEqual([]);
  });

  it("has no node port where none was to be allocated", () => {
    expect(scene.service("without-node-ports").spec?.ports?.map(({ nodePort }) => nodePort)).toEqual([
      undefined,
      undefined,
    ]);
  });
});

describe("docs/services.md", () => {
  it("shows the table as it is measured", () => {
    const document = readFileSync(join(import.meta.dirname, "..", "..", "docs", "services.md"), "utf8");
    expect(tableOf(rows, (row, vantage) => results.get(row)?.get(vantage) ?? "")).toBe(tableIn(document));
  });
});
