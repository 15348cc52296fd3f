import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { otherLabOf, tearDown } from "../supervisor/teardown.ts";
import { claim, claimant } from "./claim.ts";
import { labConfig, layoutOf, namespacePath, namespacePrefix } from "./layout.ts";
import { buildNetwork, existingNamespaces, missingNamespaces } from "./network.ts";
import { run } from "./run.ts";

const name = `n${process.pid}`;
const folder = join(mkdtempSync(join(tmpdir(), "net-")), name);
const layout = layoutOf(
  labConfig.parse({ name, nodes: 2, families: ["ipv4", "ipv6"], apiPort: 1, demoPods: false }),
  folder,
);

afterEach(() => tearDown({ name, folder, spare: [process.pid] }));

it("the underlay connects all hosts in both families and shows nothing to the root namespace", async () => {
  const linksBefore = await run(["ip", "-o", "link"]);
  await buildNetwork(layout);
  expect(missingNamespaces(layout)).toEqual([]);
  const [node1] = layout.nodes;
  for (const address of [
    ...layout.central.addresses,
    ...layout.outside.internet,
    ...(layout.nodes[1]?.addresses ?? []),
  ])
    await run(["nsenter", `--net=${namespacePath(node1?.namespace ?? "")}`, "ping", "-c1", "-W2", address]);
  expect(await run(["ip", "-o", "link"])).toBe(linksBefore);
});

it("what is there is left as it is, and all of it goes at once", async () => {
  await buildNetwork(layout);
  await buildNetwork(layout);
  expect(existingNamespaces(name)).toHaveLength(5);
  expect(await tearDown({ name, folder, spare: [process.pid] })).toBe(true);
  expect(existingNamespaces(name)).toEqual([]);
  expect(await tearDown({ name, folder, spare: [process.pid] })).toBe(false);
});

it("the namespaces of a lab of the same name under another state folder are left alone", async () => {
  await buildNetwork(layout);
  claim(name, folder);
  const other = join(mkdtempSync(join(tmpdir(), "net-")), name);
  expect(otherLabOf(name, other)).toBe(folder);
  expect(await tearDown({ name, folder: other, spare: [process.pid] })).toBe(false);
  expect(existingNamespaces(name)).toHaveLength(5);
  // What only its namespaces and the claim tell of still goes with its own folder's name.
  expect(otherLabOf(name, folder)).toBeUndefined();
  expect(await tearDown({ name, folder, spare: [process.pid] })).toBe(true);
  expect(existingNamespaces(name)).toEqual([]);
  expect(claimant(name)).toBeUndefined();
});

it("a claim of which nothing is left keeps the name from nobody", () => {
  claim(name, "/nowhere");
  expect(otherLabOf(name, folder)).toBeUndefined();
  claim(name, folder);
});

it("the namespaces of a lab whose name only begins alike are another's", async () => {
  const other = `${namespacePrefix(`${name}-b`)}central`;
  await run(["ip", "netns", "add", other]);
  try {
    expect(existingNamespaces(name)).toEqual([]);
    expect(existingNamespaces(`${name}-b`)).toEqual([other]);
  } finally {
    await run(["ip", "netns", "delete", other]);
  }
});

it("a trunk is more links in the same namespaces, and a namespace for each host on a VLAN", async () => {
  const trunked = layoutOf({ ...layout.config, trunk: true }, folder);
  await buildNetwork(trunked);
  expect(existingNamespaces(name)).toHaveLength(7);
  const linksOf = async (namespace: string) =>
    (await run(["ip", "-n", namespace, "-brief", "link"])).split("\n").map((line) => line.split(/[\s@]/)[0]);
  expect(await linksOf(trunked.nodes[0]?.namespace ?? "")).toEqual(expect.arrayContaining(["eth0", "eth1", "eth2"]));
  expect(await linksOf(trunked.outside.namespace)).toEqual(expect.arrayContaining(["eth1", "vlan100", "vlan200"]));
  // Nobody forwards on it but the switch, which is a process.
  const bridged = await run(["ip", "-n", trunked.underlay, "-brief", "link", "show", "master", "br0"]);
  expect(bridged).not.toContain("eth1");
});
