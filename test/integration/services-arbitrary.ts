import fc from "fast-check";
import type { SmallCluster, SmallService, SmallSlice } from "./small-cluster.ts";

/** One thing that happens to services, with its words. */
export interface ServiceAct {
  readonly text: string;
  readonly act: (cluster: SmallCluster) => void;
}

const serviceKeys = ["x/one", "x/two", "y/three"] as const;
const zones = ["", "east", "west"] as const;
const nodeNames = ["a", "b", "c", "d", "gone"] as const;

const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });

/** Few addresses and ports, so that services get in each other's way. */
const service: fc.Arbitrary<SmallService> = fc
  .record({
    createdAt: fc.constantFrom("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
    type: fc.constantFrom("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"),
    address: fc.constantFrom(1, 2, 3),
    nodePort: fc.constantFrom(30_001, 30_002),
    external: fc.subarray(["192.0.2.1", "192.0.2.2", "2001:db8::1"]),
    ingress: fc.subarray(["192.0.2.1", "192.0.2.3"]),
    protocols: fc.subarray(["TCP", "UDP"] as const, { minLength: 1 }),
    internalLocal: fc.boolean(),
    externalLocal: fc.boolean(),
    affinity: fc.boolean(),
    publishNotReady: fc.boolean(),
    ranges: maybe(fc.constantFrom(["203.0.113.0/24"], ["203.0.113.0/24", "2001:db8:1::/64"])),
  })
  .map((given) => ({
    createdAt: given.createdAt,
    ingress: given.ingress,
    spec: {
      type: given.type,
      clusterIPs: [`10.96.0.${given.address}`, `fd00:10:96::${given.address}`],
      externalIPs: given.external,
      selector: { app: "x" },
      ports: given.protocols.map((protocol) => ({
        name: protocol.toLowerCase(),
        protocol,
        port: 80,
        nodePort: given.nodePort,
      })),
      internalTrafficPolicy: given.internalLocal ? "Local" : "Cluster",
      externalTrafficPolicy: given.externalLocal ? "Local" : "Cluster",
      sessionAffinity: given.affinity ? "ClientIP" : "None",
      publishNotReadyAddresses: given.publishNotReady,
      loadBalancerSourceRanges: given.ranges,
    },
  }));

const slice: fc.Arbitrary<SmallSlice> = fc
  .record({
    service: fc.constantFrom(...serviceKeys),
    family: fc.constantFrom(4 as const, 6 as const),
    endpoints: fc.array(
      fc.record({
        host: fc.integer({ min: 1, max: 9 }),
        /** In the network of its node, whose address is the last byte of the name's. */
        hostNetwork: fc.integer({ min: 0, max: 5 }).map((chance) => chance === 0),
        nodeName: maybe(fc.constantFrom(...nodeNames)),
        ready: maybe(fc.boolean()),
        terminating: maybe(fc.boolean()),
        zone: maybe(fc.constantFrom(...zones.filter((zone) => zone !== ""))),
      }),
      { maxLength: 6 },
    ),
    hinted: fc.boolean(),
  })
  .map(({ service: key, family, endpoints, hinted }) => ({
    service: key.slice(2),
    family,
    ports: [
      { name: "tcp", protocol: "TCP", port: 8080 },
      { name: "udp", protocol: "UDP", port: 8053 },
    ],
    endpoints: endpoints.map(({ host, hostNetwork, nodeName, ready, terminating, zone }) => {
      const last = (nodeName ?? "a").charCodeAt(0);
      const own = family === 4 ? `192.168.0.${last}` : `fc00::${last}`;
      const pod = family === 4 ? `10.1.0.${host}` : `fd01::${host}`;
      const address = hostNetwork ? own : pod;
      return { address, nodeName, ready, terminating, zone: hinted ? (zone ?? "east") : zone };
    }),
  }));

const sliceKey = fc.constantFrom("x/s1", "x/s2", "x/s3", "y/s4");

/** Services, slices, and nodes that get zones and more addresses. */
export const serviceActs: fc.Arbitrary<ServiceAct> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(fc.constantFrom(...serviceKeys), service).map(([key, wanted]) => ({
      text: `service ${key} ${JSON.stringify(wanted)}`,
      act: (to: SmallCluster) => to.setService(key, wanted),
    })),
  },
  {
    weight: 8,
    arbitrary: fc.tuple(sliceKey, slice).map(([key, wanted]) => ({
      text: `slice ${key} ${JSON.stringify(wanted)}`,
      act: (to: SmallCluster) => to.setSlice(key, wanted),
    })),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...serviceKeys).map((key) => ({
      text: `delete service ${key}`,
      act: (to: SmallCluster) => to.deleteService(key),
    })),
  },
  {
    weight: 1,
    arbitrary: sliceKey.map((key) => ({
      text: `delete slice ${key}`,
      act: (to: SmallCluster) => to.deleteSlice(key),
    })),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom("a", "b", "c", "d"), fc.boolean(), fc.constantFrom(...zones), fc.constantFrom(0, 0, 1))
      .map(([name, gateway, zone, more]) => ({
        text: `node ${name} ${gateway} in ${zone} with ${more} more addresses`,
        act: (to: SmallCluster) => to.setNode(name, gateway, { zone, more }),
      })),
  },
);
