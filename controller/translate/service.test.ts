import { describe, expect, it } from "vitest";
import { parseNetworkConfig } from "../ipam/network-config.ts";
import { projectEndpointSlice } from "../state/endpoint-slice.ts";
import { projectService } from "../state/service.ts";
import type { DesiredRow } from "./desired.ts";
import { gatewaysGroup, nodeGatewayGroup, nodeSwitchGroup, switchesGroup } from "./load-balancer-groups.ts";
import { type PreviousBackends, type ServiceOutcome, serviceBundle } from "./service.ts";
import { serviceDependencies } from "./service-endpoints.ts";
import type { ServiceNodes } from "./service-nodes.ts";
import { vipsOf } from "./service-vips.ts";
import { tenantRouterUuid } from "./tenant-router.ts";

const config = parseNetworkConfig({});
if (config.kind === "invalid") throw new Error(JSON.stringify(config.problems));
const { network } = config;

const nodeNames = ["n1", "n2"];
const nodes: ServiceNodes = {
  zones: ["", "a", "b"],
  slots: { 4: 1, 6: 1 },
  node: (name) =>
    nodeNames.includes(name)
      ? {
          zone: "a",
          addresses: [`192.168.0.${name.slice(1)}`, `fc00::${name.slice(1)}`],
          management: name === "n1" ? ["10.244.0.2"] : [],
          hasGateway: true,
        }
      : undefined,
  isOfSubnet: () => false,
  managementOf: (address) => (address === "192.168.0.1" ? "10.244.0.2" : undefined),
};
const groupNames = new Map<string, string>([
  ...[gatewaysGroup, ...nodes.zones.map(switchesGroup)].map(({ uuid, name }) => [uuid, name] as const),
  ...nodeNames.flatMap((name) =>
    [nodeSwitchGroup(name), nodeGatewayGroup(name)].map((group) => [group.uuid, group.name] as const),
  ),
  [tenantRouterUuid, "router"],
]);
const allSwitches = ["default.switches@", "default.switches@a", "default.switches@b"];
const withGateways = [...allSwitches, "default.gateways"];

const ipv4 = { clusterIP: "10.96.0.1", clusterIPs: ["10.96.0.1"], ipFamilies: ["IPv4"] };
const http = { name: "http", protocol: "TCP", port: 80 };

function serviceOf(spec: object, rest: object = {}) {
  return projectService({
    metadata: { namespace: "ns", name: "s", uid: "u" },
    spec: { selector: { app: "s" }, ports: [http], ...ipv4, ...spec },
    ...rest,
  });
}

/** An endpoint: address, and what else is said of it. */
type Given = string | { addresses: string[]; [field: string]: unknown };

function sliceOf(endpoints: readonly Given[], rest: object = {}) {
  return projectEndpointSlice({
    metadata: { namespace: "ns", name: "s-1", labels: { "kubernetes.io/service-name": "s" } },
    addressType: "IPv4",
    ports: [{ name: "http", protocol: "TCP", port: 8080 }],
    endpoints: endpoints.map((given) => (typeof given === "string" ? { addresses: [given] } : given)),
    ...rest,
  });
}

const onNode = (nodeName: string, address: string, conditions: object = {}) => ({
  addresses: [address],
  nodeName,
  conditions,
});
const ending = { ready: false, serving: true, terminating: true };

function translate(
  service: ReturnType<typeof serviceOf>,
  slices: readonly ReturnType<typeof sliceOf>[],
  options: { refused?: string[]; previous?: PreviousBackends } = {},
): ServiceOutcome {
  const { refused = [], previous = () => undefined } = options;
  return serviceBundle(network, {
    service,
    slices,
    refused: new Map(refused.map((key) => [key, "ns/older"])),
    nodes,
    previous,
  });
}

/** `{ part: { vip: backends, each once } }` */
function vips({ bundle }: ServiceOutcome): Record<string, Record<string, string>> {
  return Object.fromEntries(
    (bundle?.rows ?? []).flatMap(({ table, owner, columns }) =>
      table !== "Load_Balancer"
        ? []
        : [
            [
              owner.split("#")[1],
              Object.fromEntries(
                Object.entries(columns.vips as Record<string, string>).map(([vip, value]) => [
                  vip,
                  [...new Set(value.split(","))].join(","),
                ]),
              ),
            ],
          ],
    ),
  );
}

function row({ bundle }: ServiceOutcome, part: string): DesiredRow {
  const found = bundle?.rows.find(({ owner }) => owner === `Service/ns/s#${part}`);
  if (found === undefined) throw new Error(`no row ${part}`);
  return found;
}

function groups(outcome: ServiceOutcome, part: string): (string | undefined)[] {
  const { uuid } = row(outcome, part);
  return (outcome.bundle?.memberships ?? []).flatMap(({ member, row: group }) =>
    member === uuid ? [groupNames.get(group)] : [],
  );
}

const codes = ({ problems }: ServiceOutcome): string[] => problems.map(({ code }) => code);
const two = sliceOf([onNode("n1", "10.244.0.5"), onNode("n2", "10.244.1.5")]);
const twoTexts = "10.244.0.5:8080,10.244.1.5:8080";

describe("a cluster IP", () => {
  it("is one row on the switches of all zones", () => {
    const outcome = translate(serviceOf({}), [two]);
    expect(vips(outcome)).toEqual({ "cluster.tcp": { "10.96.0.1:80": twoTexts } });
    expect(row(outcome, "cluster.tcp").columns).toMatchObject({
      name: "ns/s#cluster.tcp",
      protocol: "tcp",
      selection_fields: ["ip_dst", "ip_src", "tp_dst", "tp_src"],
      options: { hairpin_snat_ip: "169.254.0.5 fd69::5", reject: "true" },
    });
    expect(groups(outcome, "cluster.tcp")).toEqual(allSwitches);
    expect(outcome.problems).toEqual([]);
  });

  it("without endpoints is there and empty, so that it refuses", () => {
    expect(vips(translate(serviceOf({}), []))).toEqual({ "cluster.tcp": { "10.96.0.1:80": "" } });
  });

  it("of two families has both in one row, each with its own backends", () => {
    const service = serviceOf({ clusterIPs: ["10.96.0.1", "fd00:10:96::1"], ipFamilies: ["IPv4", "IPv6"] });
    const six = sliceOf(["fd00:10:244::5"], { addressType: "IPv6" });
    expect(vips(translate(service, [two, six]))).toEqual({
      "cluster.tcp": { "10.96.0.1:80": twoTexts, "[fd00:10:96::1]:80": "[fd00:10:244::5]:8080" },
    });
  });

  it("has a row for each protocol; UDP and SCTP are flushed", () => {
    const ports = (["TCP", "UDP", "SCTP"] as const).map((protocol) => ({ name: protocol, protocol, port: 53 }));
    const slice = sliceOf(["10.244.0.5"], { ports: ports.map((port) => ({ ...port, port: 5353 })) });
    const outcome = translate(serviceOf({ ports }), [slice]);
    const value = { "10.96.0.1:53": "10.244.0.5:5353" };
    expect(vips(outcome)).toEqual({ "cluster.tcp": value, "cluster.udp": value, "cluster.sctp": value });
    expect(row(outcome, "cluster.udp").columns.options).toMatchObject({ ct_flush: "true" });
    expect(row(outcome, "cluster.sctp").columns.options).toMatchObject({ ct_flush: "true" });
    expect(row(outcome, "cluster.tcp").columns.options).not.toHaveProperty("ct_flush");
  });

  it("finds a named port in each slice by itself", () => {
    const other = sliceOf(["10.244.2.5"], { ports: [{ name: "http", protocol: "TCP", port: 9090 }] });
    expect(vips(translate(serviceOf({}), [sliceOf(["10.244.0.5"]), other]))).toEqual({
      "cluster.tcp": { "10.96.0.1:80": "10.244.0.5:8080,10.244.2.5:9090" },
    });
  });

  it("with ClientIP affinity tells flows apart by client alone", () => {
    const outcome = translate(serviceOf({ sessionAffinity: "ClientIP" }), [two]);
    expect(row(outcome, "cluster.tcp").columns.selection_fields).toEqual(["ip_src"]);
  });

  it("keeps backends at their positions", () => {
    const previous = () => "10.244.1.5:8080,10.244.0.5:8080";
    const outcome = translate(serviceOf({}), [two], { previous });
    expect(row(outcome, "cluster.tcp").columns.vips).toEqual({ "10.96.0.1:80": previous() });
  });

  it("reaches a pod of the node's network at the node's management port", () => {
    expect(vips(translate(serviceOf({}), [sliceOf(["192.168.0.1"])]))).toEqual({
      "cluster.tcp": { "10.96.0.1:80": "10.244.0.2:8080" },
    });
  });
});

describe("readiness", () => {
  const cluster = (outcome: ServiceOutcome) => vips(outcome)["cluster.tcp"]?.["10.96.0.1:80"];
  const mixed = sliceOf([onNode("n1", "10.244.0.5", ending), onNode("n2", "10.244.1.5"), "10.244.2.5"]);

  it("takes the ready ones alone, as long as there are some", () => {
    expect(cluster(translate(serviceOf({}), [mixed]))).toBe("10.244.1.5:8080,10.244.2.5:8080");
  });

  it("takes those that serve while they end when none is ready", () => {
    const slice = sliceOf([onNode("n1", "10.244.0.5", ending), onNode("n2", "10.244.1.5", { ready: false })]);
    expect(cluster(translate(serviceOf({}), [slice]))).toBe("10.244.0.5:8080");
  });

  it("counts for nothing with publishNotReadyAddresses", () => {
    const slice = sliceOf([onNode("n1", "10.244.0.5", { ready: false })]);
    expect(cluster(translate(serviceOf({ publishNotReadyAddresses: true }), [slice]))).toBe("10.244.0.5:8080");
  });
});

describe("zone hints", () => {
  const hinted = (address: string, zone: string) => ({ addresses: [address], hints: { forZones: [{ name: zone }] } });

  it("make a row for each zone; a zone without endpoints has all", () => {
    const outcome = translate(serviceOf({}), [sliceOf([hinted("10.244.0.5", "a"), hinted("10.244.1.5", "c")])]);
    expect(vips(outcome)).toEqual({
      "cluster.tcp@": { "10.96.0.1:80": twoTexts },
      "cluster.tcp@a": { "10.96.0.1:80": "10.244.0.5:8080" },
      "cluster.tcp@b": { "10.96.0.1:80": twoTexts },
    });
    expect(groups(outcome, "cluster.tcp@a")).toEqual(["default.switches@a"]);
  });

  it("count for nothing when one endpoint has none", () => {
    const outcome = translate(serviceOf({}), [sliceOf([hinted("10.244.0.5", "a"), "10.244.1.5"])]);
    expect(vips(outcome)).toEqual({ "cluster.tcp": { "10.96.0.1:80": twoTexts } });
  });
});

describe("internalTrafficPolicy Local", () => {
  it("has a row for each node with endpoints, on that node's switch, and refuses nothing", () => {
    const outcome = translate(serviceOf({ internalTrafficPolicy: "Local" }), [two]);
    expect(vips(outcome)).toEqual({
      "internal.n1.tcp": { "10.96.0.1:80": "10.244.0.5:8080" },
      "internal.n2.tcp": { "10.96.0.1:80": "10.244.1.5:8080" },
    });
    expect(groups(outcome, "internal.n1.tcp")).toEqual(["switch.n1"]);
    expect(row(outcome, "internal.n1.tcp").columns.options).not.toHaveProperty("reject");
  });

  it("falls back to ending endpoints on each node by itself, and ignores nodes that aren't known", () => {
    const slice = sliceOf([onNode("n1", "10.244.0.5", ending), onNode("n2", "10.244.1.5"), onNode("n9", "10.244.9.5")]);
    expect(Object.keys(vips(translate(serviceOf({ internalTrafficPolicy: "Local" }), [slice])))).toEqual([
      "internal.n1.tcp",
      "internal.n2.tcp",
    ]);
  });
});

describe("from outside", () => {
  const nodePort = { type: "NodePort", ports: [{ ...http, nodePort: 30080 }] };
  const balancer = { ...nodePort, type: "LoadBalancer" };
  const ingress = {
    status: { loadBalancer: { ingress: [{ ip: "203.0.113.1" }, { ip: "203.0.113.2", ipMode: "Proxy" }] } },
  };

  it("a node port is a template, on switches and gateways", () => {
    const outcome = translate(serviceOf(nodePort), [two]);
    expect(vips(outcome)["nodeport.tcp.ipv4"]).toEqual({ "^NODE_IPV4_0:30080": twoTexts });
    expect(groups(outcome, "nodeport.tcp.ipv4")).toEqual(withGateways);
    expect(row(outcome, "nodeport.tcp.ipv4").columns.options).toMatchObject({
      "address-family": "ipv4",
      template: "true",
    });
  });

  it("external and ingress IPs are in one row; those of ipMode Proxy in none", () => {
    const outcome = translate(serviceOf({ ...balancer, externalIPs: ["198.51.100.1"] }, ingress), [two]);
    expect(vips(outcome)["external.tcp"]).toEqual({ "198.51.100.1:80": twoTexts, "203.0.113.1:80": twoTexts });
    expect(groups(outcome, "external.tcp")).toEqual(withGateways);
  });

  it("without allocated node ports there is no row for them", () => {
    const outcome = translate(serviceOf({ type: "LoadBalancer", allocateLoadBalancerNodePorts: false }, ingress), [
      two,
    ]);
    expect(Object.keys(vips(outcome))).toEqual(["cluster.tcp", "external.tcp"]);
  });

  it("externalTrafficPolicy Local has literals on the gateways of nodes with endpoints", () => {
    const slice = sliceOf([onNode("n1", "10.244.0.5")]);
    const outcome = translate(serviceOf({ ...balancer, externalTrafficPolicy: "Local" }, ingress), [slice]);
    expect(vips(outcome)["external.n1.tcp"]).toEqual({
      "192.168.0.1:30080": "10.244.0.5:8080",
      "203.0.113.1:80": "10.244.0.5:8080",
    });
    expect(groups(outcome, "external.n1.tcp")).toEqual(["gateway.n1"]);
    expect(row(outcome, "external.n1.tcp").columns.options).toEqual({
      hairpin_snat_ip: "169.254.0.5 fd69::5",
      skip_snat: "true",
    });
    expect(groups(outcome, "external.tcp")).toEqual(allSwitches);
    expect(groups(outcome, "nodeport.tcp.ipv4")).toEqual(allSwitches);
  });

  it("externalTrafficPolicy Local answers to nodes by the gateway that they asked", () => {
    const slice = sliceOf([onNode("n1", "10.244.0.5"), onNode("n1", "10.244.0.6")]);
    const outcome = translate(serviceOf({ ...balancer, externalTrafficPolicy: "Local" }, ingress), [slice]);
    expect(row(outcome, "answer.n1.tcp.ipv4").columns).toEqual({
      priority: 1450,
      match: [
        'is_chassis_resident("management.n1")',
        'inport == "default-to-switch.n1"',
        "ip4.dst == $default.nodes.ipv4",
        "ip4.src == {10.244.0.5, 10.244.0.6}",
        "tcp.src == 8080",
      ].join(" && "),
      action: "reroute",
      nexthops: ["100.64.0.2"],
    });
    expect(groups(outcome, "answer.n1.tcp.ipv4")).toEqual(["router"]);
  });

  it("externalTrafficPolicy Local has pods of subnets answer by whichever port they come to the router", () => {
    const slice = sliceOf([onNode("n1", "100.81.0.2")]);
    const outcome = translate(serviceOf({ ...balancer, externalTrafficPolicy: "Local" }, ingress), [slice]);
    expect(row(outcome, "answer.subnets.n1.tcp.ipv4").columns.match).toBe(
      'is_chassis_resident("management.n1") && ip4.dst == $default.nodes.ipv4 && ip4.src == 100.81.0.2 && tcp.src == 8080',
    );
  });

  it("source ranges take ingress IPs off the switches, and policies drop who may not", () => {
    const ranges = { loadBalancerSourceRanges: ["10.0.0.0/8", "192.168.0.1/24"] };
    const outcome = translate(serviceOf({ ...balancer, ...ranges }, ingress), [two]);
    expect(vips(outcome)["restricted.tcp"]).toEqual({ "203.0.113.1:80": twoTexts });
    expect(vips(outcome)).not.toHaveProperty("external.tcp");
    expect(groups(outcome, "restricted.tcp")).toEqual(["default.gateways"]);
    const destination = "ip4.dst == 203.0.113.1 && tcp.dst == 80";
    expect(row(outcome, "allow.tcp.203.0.113.1").columns).toEqual({
      priority: 2001,
      match: `${destination} && ip4.src == {10.0.0.0/8, 192.168.0.0/24}`,
      action: "allow",
    });
    expect(row(outcome, "drop.tcp.203.0.113.1").columns).toEqual({
      priority: 2000,
      match: destination,
      action: "drop",
    });
    expect(groups(outcome, "drop.tcp.203.0.113.1")).toEqual(["router"]);
  });

  it("source ranges that can't be read let nobody in", () => {
    const outcome = translate(serviceOf({ ...balancer, loadBalancerSourceRanges: ["all"] }, ingress), [two]);
    expect(outcome.bundle?.rows.map(({ owner }) => owner)).toContain("Service/ns/s#drop.tcp.203.0.113.1");
    expect(outcome.bundle?.rows.map(({ owner }) => owner)).not.toContain("Service/ns/s#allow.tcp.203.0.113.1");
    expect(codes(outcome)).toEqual(["INVALID_SERVICE"]);
  });
});

describe("what is left alone", () => {
  it.each([
    ["headless", { clusterIP: "None", clusterIPs: ["None"] }, {}],
    ["ExternalName", { type: "ExternalName", clusterIP: "", clusterIPs: [], externalName: "example.org" }, {}],
    [
      "another proxy's",
      {},
      { metadata: { namespace: "ns", name: "s", labels: { "service.kubernetes.io/service-proxy-name": "other" } } },
    ],
  ])("a Service that is %s", (_, spec, rest) => {
    expect(translate(serviceOf(spec, rest), [two])).toEqual({ bundle: undefined, problems: [] });
    expect(vipsOf(serviceOf(spec, rest))).toEqual([]);
  });
});

describe("bad input", () => {
  it("a VIP that an older Service has is left out, the others work", () => {
    const service = serviceOf({ type: "NodePort", ports: [{ ...http, nodePort: 30080 }] });
    expect(vipsOf(service)).toEqual(["tcp 10.96.0.1 80", "tcp nodes 30080"]);
    const outcome = translate(service, [two], { refused: ["tcp nodes 30080"] });
    expect(Object.keys(vips(outcome))).toEqual(["cluster.tcp"]);
    expect(outcome.problems).toEqual([
      {
        code: "SERVICE_VIP_CONFLICT",
        message: "tcp nodes 30080 belongs to ns/older, which comes first, so it is left out here",
      },
    ]);
  });

  it("a Service without ports has no rows", () => {
    const outcome = translate(serviceOf({ ports: [] }), [two]);
    expect(outcome.bundle).toBeUndefined();
    expect(codes(outcome)).toEqual(["SERVICE_WITHOUT_PORTS"]);
  });

  it("an address of a family that the Service lacks is left out", () => {
    const outcome = translate(serviceOf({ externalIPs: ["2001:db8::1", "198.51.100.1"] }), [two]);
    expect(Object.keys(vips(outcome)["external.tcp"] ?? {})).toEqual(["198.51.100.1:80"]);
    expect(codes(outcome)).toEqual(["SERVICE_FAMILY_MISMATCH"]);
  });

  it("an endpoint that can't be reached, or of another family, is left out", () => {
    const slice = sliceOf(["10.244.0.5", "127.0.0.1", "fd00:10:244::5", "169.254.1.1", "224.0.0.1", "nonsense"]);
    const outcome = translate(serviceOf({}), [slice]);
    expect(vips(outcome)).toEqual({ "cluster.tcp": { "10.96.0.1:80": "10.244.0.5:8080" } });
    expect(codes(outcome)).toEqual(["INVALID_ENDPOINT"]);
  });

  it("an endpoint outside of the cluster is used, and told of when the Service has a selector", () => {
    const slice = sliceOf(["198.51.100.9"]);
    const value = { "cluster.tcp": { "10.96.0.1:80": "198.51.100.9:8080" } };
    expect(vips(translate(serviceOf({}), [slice]))).toEqual(value);
    expect(codes(translate(serviceOf({}), [slice]))).toEqual(["ENDPOINT_OUTSIDE_CLUSTER"]);
    expect(vips(translate(serviceOf({ selector: undefined }), [slice]))).toEqual(value);
    expect(codes(translate(serviceOf({ selector: undefined }), [slice]))).toEqual([]);
  });

  it("a slice with 1,000 endpoints is balanced whole", () => {
    const many = Array.from({ length: 1000 }, (_, index) => `10.244.${index >> 7}.${(index & 127) + 3}`);
    const value = vips(translate(serviceOf({}), [sliceOf(many)]))["cluster.tcp"]?.["10.96.0.1:80"];
    expect(value?.split(",")).toHaveLength(1000);
  });
});

it("a bundle depends on nodes only where a policy is Local, and on addresses that aren't pods'", () => {
  const slice = sliceOf([onNode("n1", "10.244.0.5"), onNode("n2", "192.168.0.2")]);
  expect(serviceDependencies(network, serviceOf({}), [slice])).toEqual({
    nodes: new Set(),
    addresses: new Set(["192.168.0.2"]),
    slots: false,
  });
  const local = serviceOf({ internalTrafficPolicy: "Local" });
  expect(serviceDependencies(network, local, [slice]).nodes).toEqual(new Set(["n1", "n2"]));
});
