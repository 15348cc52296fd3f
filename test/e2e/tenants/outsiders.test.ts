import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { subnetRouterMac } from "../../../controller/translate/subnet-switch.ts";
import { type Lab, placeOf, startLab } from "../../../lab/index.ts";
import { run } from "../../../lab/topology/run.ts";
import { type Cluster, openCluster } from "../cluster.ts";
import { startFrameCapture } from "./capture.ts";
import { listOf, namespaceObject, subnetObject, tenantObject, tenantPodObject } from "./objects.ts";

/**
 * Hosts beside the cluster that take its routers for theirs: one on the nodes' network by an EgressIP's address, one in an
 * underlay's VLAN by the hardware address of the router there. `red/a` is in a tenant, `default/c` in the cluster's network.
 */

const tollAddress = "172.18.0.220";
const campus = {
  mode: "Underlay",
  cidrs: ["172.30.100.0/24"],
  gateways: ["172.30.100.1"],
  excluded: ["172.30.100.1-172.30.100.63"],
  underlay: { providerNetwork: "campus", vlan: 100 },
  namespaces: { names: ["office"] },
} as const;

let lab: Lab;
let cluster: Cluster;

beforeAll(async () => {
  lab = await startLab({ name: "outsiders", nodes: 2, trunk: true, demoPods: false });
  cluster = await openCluster(lab.kubeconfig);
  const apply = (...items: readonly object[]) => lab.kubectl(["apply", "-f", "-"], { input: listOf(...items) });
  const own = (kind: string, name: string, spec: object) => ({
    ...{ apiVersion: "ovenbird.io/v1alpha1", kind, metadata: { name }, spec },
  });
  await apply(
    ...["red", "office"].map(namespaceObject),
    tenantObject("red"),
    subnetObject("red", { tenant: "red", mode: "Cluster", cidrs: ["10.70.0.0/24"] }),
    own("ProviderNetwork", "campus", { uplinks: ["eth1"] }),
    subnetObject("campus", campus),
    own("EgressIP", "toll", {
      addresses: [tollAddress],
      namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "red" } },
    }),
  );
  await lab.kubectl(["wait", "--for=condition=Ready", "--timeout=20s", "tenants,subnets", "--all"]);
  await apply(
    tenantPodObject({ namespace: "red", name: "a", node: "node1" }),
    tenantPodObject({ namespace: "office", name: "b", node: "node1" }),
    tenantPodObject({ namespace: "default", name: "c", node: "node1" }),
  );
  await Promise.all(["red/a", "office/b", "default/c"].map((key) => cluster.untilReady(key)));
});

afterAll(async () => {
  await cluster?.close();
  await lab?.down();
});

async function addressOf(key: string): Promise<string> {
  const [namespace = "", name = ""] = key.split("/");
  return await lab.kubectl(["get", "pod", "-n", namespace, name, "-o", "jsonpath={.status.podIP}"]);
}

/** How many frames of a host come to a pod that it asks, with the way there as it is given. */
async function seen(host: string, source: string, pod: string, ...way: readonly string[]): Promise<number> {
  const inside = (...command: readonly string[]) => run(["ip", "netns", "exec", `ob-${lab.name}-${host}`, ...command]);
  const address = await addressOf(pod);
  const { namespace } = await placeOf(lab.layout, pod);
  await inside("ip", "route", "replace", address, ...way);
  const capture = await startFrameCapture(namespace, "eth0", `src host ${source}`);
  await inside("curl", "-s", "-m", "1", `http://${address}:8080/`).catch(() => {});
  const frames = await capture.stop();
  await inside("ip", "route", "del", address, ...way);
  return frames.length;
}

describe("a host beside the cluster", () => {
  it("answers those who leave by an EgressIP, and comes to nobody by it", async () => {
    await lab.kubectl(["wait", "--for=condition=Ready", "--timeout=20s", "egressip", "toll"]);
    // The nodes' BFD sessions begin with it, at a packet a second.
    await expect
      .poll(async () => (await lab.probe([{ from: "red/a", to: "outside", port: 8080, family: "ipv4" }]))[0], {
        timeout: 20_000,
      })
      .toMatchObject({ verdict: "connected", sourceSeen: tollAddress });
    for (const pod of ["red/a", "default/c"]) {
      expect(await seen("outside", "172.18.0.1", pod, "via", tollAddress), pod).toBe(0);
    }
  });

  it("comes to no pod by the router of an underlay, whatever address it takes", async () => {
    const host = (...command: readonly string[]) => run(["ip", "netns", "exec", `ob-${lab.name}-vlan100`, ...command]);
    const mac = subnetRouterMac({ subnet: "campus", node: "node1" });
    await host("ip", "neigh", "replace", "172.30.100.250", "lladdr", mac, "dev", "eth0", "nud", "permanent");
    const [node] = lab.layout.nodes;
    const nodeAddress = node?.addresses[0] ?? "";
    await host("ip", "address", "add", `${nodeAddress}/32`, "dev", "eth0");
    const way = ["via", "172.30.100.250", "dev", "eth0"] as const;
    for (const pod of ["red/a", "default/c"]) {
      expect(await seen("vlan100", "172.30.100.10", pod, ...way), pod).toBe(0);
      expect(await seen("vlan100", nodeAddress, pod, ...way, "src", nodeAddress), pod).toBe(0);
    }
    // Its neighbours are the pods.
    const [answer] = await lab.probe([{ from: "vlan100", to: "subnet:office/b", port: 8080, family: "ipv4" }]);
    expect(answer).toMatchObject({ verdict: "connected", sourceSeen: "172.30.100.10" });
  });
});
