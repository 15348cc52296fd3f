import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { namespaces, pods } from "../../../kube/index.ts";
import { cases } from "../../policies/cases/all.ts";
import { podObject, sceneNamespaces, scenePods } from "../../policies/scene.ts";
import type { Cluster } from "../cluster.ts";
import { type PolicyLab, startPolicyLab } from "../policies/lab.ts";
import { createTenant } from "./same-addresses.ts";

/**
 * The truth table of policies inside a tenant: pods ask each other at the addresses that their tenant alone knows, and at those in
 * their status, in turns. A decoy tenant has the same network, and pods of the same addresses with other labels: were their
 * addresses taken for the town's, something would pass that may not.
 */

const decoy = "decoy";
const tracedProbes = 1;

let lab: PolicyLab;

/** Pods in the places of the town's, each with the labels of the next. */
async function createDecoys({ client, untilReady }: Cluster): Promise<void> {
  await client.create(namespaces, {}, { apiVersion: "v1", kind: "Namespace", metadata: { name: decoy } });
  const own = scenePods.filter(({ hostNetwork }) => hostNetwork !== true);
  const names: string[] = [];
  // One after another, as the town's: so they get the same addresses.
  for (const [position, pod] of own.entries()) {
    const next = own[(position + 1) % own.length] ?? pod;
    const { metadata, spec } = podObject({ ...pod, labels: next.labels }, {});
    const name = `${metadata.namespace}-${metadata.name}`;
    const body = { apiVersion: "v1", kind: "Pod", metadata: { ...metadata, name, namespace: decoy }, spec };
    await client.create(pods, { namespace: decoy }, body);
    names.push(name);
  }
  await Promise.all(names.map((name) => untilReady(`${decoy}/${name}`)));
}

beforeAll(async () => {
  lab = await startPolicyLab("tenant-policies", async (cluster) => {
    await createTenant(cluster, "town", Object.keys(sceneNamespaces));
    await createTenant(cluster, decoy, [decoy]);
    await createDecoys(cluster);
  });
});

afterAll(async () => {
  await lab?.down();
});

it("has two tenants whose pods have the same addresses", () => {
  const own = scenePods.filter(({ hostNetwork }) => hostNetwork !== true);
  const ofTown = own.flatMap(({ key }) => lab.town.places.ownAddresses?.(key) ?? []);
  const ofDecoys = own.flatMap(({ key }) => lab.town.places.ownAddresses?.(`${decoy}/${key.replace("/", "-")}`) ?? []);
  expect(ofTown).toHaveLength(2 * own.length);
  expect(ofTown.toSorted()).toEqual(ofDecoys.toSorted());
});

describe("on the wire, inside a tenant", () => {
  it.each(cases)("$name", async ({ name, passes: _p, drops: _d, ...state }) => {
    expect(await lab.table.measure(name, state, tracedProbes)).toBe("");
  });
});
