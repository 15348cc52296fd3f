import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Lab, placeOf, startLab } from "../../../lab/index.ts";
import { type Cluster, openCluster } from "../cluster.ts";
import { startFrameCapture } from "./capture.ts";
import { listOf, namespaceObject, subnetObject, tenantObject, tenantPodObject } from "./objects.ts";
import { measureStream } from "./stream.ts";

/**
 * What pods ask for of bandwidth and priority, in a tenant and in none; and that who floods a tenant's network costs others
 * nothing.
 */

const egressKbps = 20_000;
const ingressKbps = 10_000;
const stormKbps = 2000;
const dscp = 46;
const annotations = {
  "kubernetes.io/egress-bandwidth": "20M",
  "kubernetes.io/ingress-bandwidth": "10M",
  "ovenbird.io/dscp": String(dscp),
};
/** More than any of them may have, and less than what this machine's datapath can do. */
const muchKbps = 40_000;

let lab: Lab;
let cluster: Cluster;

beforeAll(async () => {
  lab = await startLab({ name: "bandwidth", nodes: 2, demoPods: false });
  cluster = await openCluster(lab.kubeconfig);
  const apply = (...items: readonly object[]) => lab.kubectl(["apply", "-f", "-"], { input: listOf(...items) });
  await apply(
    ...["red", "blue"].flatMap((name) => [
      namespaceObject(name),
      tenantObject(name),
      subnetObject(`${name}-flat`, { tenant: name, mode: "Cluster", cidrs: ["10.10.0.0/16", "fd10::/64"] }),
    ]),
  );
  await lab.kubectl(["wait", "--for=condition=Ready", "--timeout=20s", "tenants,subnets", "--all"]);
  await apply(
    ...["red", "default"].flatMap((namespace) => [
      tenantPodObject({ namespace, name: "shaped", node: "node1", annotations }),
      tenantPodObject({ namespace, name: "plain", node: "node2" }),
    ]),
    tenantPodObject({ namespace: "red", name: "loud", node: "node1" }),
    tenantPodObject({ namespace: "blue", name: "here", node: "node1" }),
    tenantPodObject({ namespace: "blue", name: "there", node: "node2" }),
  );
  const ready = ["red/shaped", "red/plain", "red/loud", "default/shaped", "default/plain", "blue/here", "blue/there"];
  await Promise.all(ready.map((key) => cluster.untilReady(key)));
});

afterAll(async () => {
  await cluster?.close();
  await lab?.down();
});

async function ends(from: string, to: string, family: 4 | 6 = 4) {
  const places = await Promise.all([from, to].map((key) => placeOf(lab.layout, key)));
  const addresses = cluster.pods.get(to)?.status?.podIPs?.map(({ ip }) => ip) ?? [];
  return {
    from: places[0]?.namespace ?? "",
    to: places[1]?.namespace ?? "",
    address: addresses.find((address) => address.includes(":") === (family === 6)) ?? "",
  };
}

/** How often it is measured: a machine that had no time for it makes the rate less, and nothing makes it more. */
const tries = 3;

async function expectRate(asked: number, measure: () => Promise<number>): Promise<void> {
  let rate = 0;
  for (let tried = 0; tried < tries && rate <= 0.9 * asked; tried++) {
    rate = await measure();
    expect(rate, `${Math.round(rate)} kbit/s of ${asked}`).toBeLessThan(1.1 * asked);
  }
  expect(rate, `${Math.round(rate)} kbit/s of ${asked}, the last of ${tries} times`).toBeGreaterThan(0.9 * asked);
}

describe.each(["default", "red"])("a pod of %s that asks for bandwidth", (namespace) => {
  const [shaped, plain] = [`${namespace}/shaped`, `${namespace}/plain`];

  it.each(["tcp", "udp"] as const)("sends no more than that, and not much less, by %s", async (protocol) => {
    const way = await ends(shaped, plain);
    await expectRate(egressKbps, () => measureStream({ ...way, protocol, kbps: muchKbps }));
  });

  it.each(["tcp", "udp"] as const)("is sent no more than that, and not much less, by %s", async (protocol) => {
    const way = await ends(plain, shaped);
    await expectRate(ingressKbps, () => measureStream({ ...way, protocol, kbps: muchKbps }));
  });

  it("bears its DSCP in both families, on the way to another node", async () => {
    const { to: receiver } = await ends(shaped, plain);
    const capture = await startFrameCapture(receiver, "eth0", "udp and greater 1000");
    for (const family of [4, 6] as const) {
      await measureStream({ ...(await ends(shaped, plain, family)), protocol: "udp", kbps: 500, forMs: 100 });
    }
    const frames = await capture.stop();
    const found = new Set(
      frames.map((frame) =>
        frame.readUInt16BE(12) === 0x0800
          ? `ipv4 ${(frame[15] ?? 0) >> 2}`
          : `ipv6 ${(frame.readUInt16BE(14) >> 6) & 63}`,
      ),
    );
    expect([...found].sort()).toEqual([`ipv4 ${dscp}`, `ipv6 ${dscp}`]);
  });
});

describe("a flood of broadcasts in a tenant", () => {
  it("is cut to what the tenant may, and takes nothing from the other one's throughput", async () => {
    const { from, to } = await ends("red/loud", "red/plain");
    const neighbours = { ...(await ends("blue/here", "blue/there")), protocol: "udp", kbps: egressKbps } as const;
    await expectRate(egressKbps, async () => {
      const [flood, beside] = await Promise.all([
        measureStream({ from, to, address: "10.10.255.255", protocol: "udp", kbps: muchKbps }),
        measureStream(neighbours),
      ]);
      expect(flood, `${Math.round(flood)} kbit/s of broadcasts`).toBeLessThan(1.1 * stormKbps);
      expect(flood).toBeGreaterThan(0.5 * stormKbps);
      return beside;
    });
  });
});
