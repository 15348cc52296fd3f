import { setTimeout as delay } from "node:timers/promises";
import { nodes, services } from "../../../kube/index.ts";
import { merge, patiently } from "./measure.ts";
import type { Measured, Row } from "./rows.ts";
import { type Scene, type Vantage, vantages } from "./scene.ts";
import { addressPool, ingressOf, routeExternalAddresses, serviceObject, serviceSpecs } from "./services.ts";

const zoneLabel = "topology.kubernetes.io/zone";

/** Creates all services of the table; resolves when those that get an address from a pool have one, or after 10 s. */
export async function createServices(scene: Scene): Promise<void> {
  const { client } = scene.cluster;
  const zones = scene.lab.nodes.map((_, index) => `zone-${index + 1}`);
  await Promise.all(
    scene.lab.nodes.map((name, index) =>
      client.patch(nodes, { name }, { metadata: { labels: { [zoneLabel]: zones[index] } } }, { type: "merge" }),
    ),
  );
  await scene.lab.kubectl(["apply", "-f", "-"], { input: JSON.stringify(addressPool) });
  const specs = serviceSpecs(zones);
  await Promise.all(specs.map((spec) => client.create(services, { namespace: "default" }, serviceObject(spec))));
  await Promise.all(
    specs.map(({ name, endpoints, targetPort }) =>
      endpoints === undefined ? undefined : scene.writeSlices(name, endpoints, targetPort),
    ),
  );
  await routeExternalAddresses(scene);
  const balanced = specs.filter(({ spec }) => spec.type === "LoadBalancer");
  for (const giveUpAt = performance.now() + 10_000; performance.now() < giveUpAt; await delay(100)) {
    await scene.refresh();
    if (balanced.every(({ name }) => ingressOf(scene.service(name)).length === 2)) break;
  }
}

/** Measures a row from all its vantage points. @returns the texts of its cells */
export async function measureRow(scene: Scene, row: Row): Promise<ReadonlyMap<Vantage, string>> {
  const sources = scene.sources.filter(({ vantage, name }) => row.cells[vantage] !== "-" && !row.except.includes(name));
  const texts: readonly Measured[] =
    row.stage !== undefined
      ? await row.stage(scene, sources)
      : await Promise.all(
          sources.flatMap((source) =>
            row.families.map(async (family) => ({
              ...{ source, family },
              text: await patiently(row.cells[source.vantage], () => row.measure(scene, source, family)),
            })),
          ),
        );
  return new Map(
    vantages.map((vantage) => {
      const here = texts.filter(({ source, text }) => source.vantage === vantage && text !== "not asked");
      return [vantage, here.length === 0 ? "-" : merge(here)];
    }),
  );
}
