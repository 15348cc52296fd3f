import { describe, expect, it } from "vitest";
import type { NodeService } from "../services/index.ts";
import { flowText } from "./bridge-flows.ts";
import { type BridgeServices, serviceFlows } from "./service-flows.ts";

const service = (changes: Partial<NodeService> = {}): NodeService => ({
  key: "shop/web",
  uid: "1",
  createdAt: "2026-01-01T00:00:00Z",
  families: ["ipv4", "ipv6"],
  ports: [{ protocol: "tcp", port: 80 }],
  externalIps: [],
  ingressIps: [],
  externalLocal: false,
  localEndpoints: 0,
  localEndpointsOf: { ipv4: 0, ipv6: 0 },
  endpointNodes: new Set(),
  ...changes,
});

function flowsOf(services: readonly NodeService[], more: Partial<BridgeServices> = {}): readonly string[] {
  const inputs = {
    services,
    nodeAddresses: new Set(["192.0.2.11", "192.0.2.12"]),
    announced: new Set<string>(),
    ...more,
  };
  const ownAddresses = ["192.0.2.11", "2001:db8::11", "fe80::1"];
  return flowText(serviceFlows(inputs, { uplink: 1, patch: 5, ownAddresses }))
    .trim()
    .split("\n");
}

const nodePort = { ports: [{ protocol: "udp", port: 53, nodePort: 30_053 }] } as const;

describe("the gateway bridge's flows for Services", () => {
  it("lead a NodePort at the node's addresses straight to OVN and back, untracked, in the Service's families", () => {
    expect(flowsOf([service(nodePort)])).toEqual([
      "table=0,priority=150,udp,in_port=1,nw_dst=192.0.2.11,tp_dst=30053,actions=output:5",
      "table=0,priority=150,udp,in_port=5,nw_src=192.0.2.11,tp_src=30053,actions=output:1",
      "table=0,priority=150,udp6,in_port=1,ipv6_dst=2001:db8::11,tp_dst=30053,actions=output:5",
      "table=0,priority=150,udp6,in_port=5,ipv6_src=2001:db8::11,tp_src=30053,actions=output:1",
    ]);
    expect(flowsOf([service({ ...nodePort, families: ["ipv6"] })])).toHaveLength(2);
  });

  it("lead the ports of an external address to OVN and drop what else is sent to it", () => {
    expect(flowsOf([service({ externalIps: ["203.0.113.9"] })])).toEqual([
      "table=0,priority=195,arp,in_port=1,arp_op=1,arp_tpa=203.0.113.9,actions=LOCAL",
      "table=0,priority=160,icmp,in_port=1,nw_dst=203.0.113.9,actions=output:5",
      "table=0,priority=160,ip,in_port=1,nw_dst=203.0.113.9,nw_frag=later,actions=output:5",
      "table=0,priority=160,ip,in_port=5,nw_src=203.0.113.9,actions=output:1",
      "table=0,priority=155,ip,in_port=1,nw_dst=203.0.113.9,actions=drop",
      "table=0,priority=165,tcp,in_port=1,nw_dst=203.0.113.9,tp_dst=80,actions=output:5",
    ]);
  });

  it("let OVN answer for an external address only where the node announces it", () => {
    const announced = new Set(["2001:db8:7::1"]);
    expect(flowsOf([service({ ingressIps: ["2001:db8:7::1"] })], { announced })).toContain(
      "table=0,priority=195,icmp6,in_port=1,icmp_type=135,icmp_code=0,nd_target=2001:db8:7::1,actions=output:5",
    );
  });

  it("let only the given sources at an ingress address, in the address's family", () => {
    const flows = flowsOf([
      service({ ingressIps: ["203.0.113.9"], sourceRanges: ["198.51.100.0/24", "2001:db8:9::/64"] }),
    ]);
    expect(flows).toContain("table=0,priority=165,tcp,in_port=1,nw_dst=203.0.113.9,tp_dst=80,actions=drop");
    expect(flows.filter((flow) => flow.includes("priority=166"))).toEqual([
      "table=0,priority=166,tcp,in_port=1,nw_src=198.51.100.0/24,nw_dst=203.0.113.9,tp_dst=80,actions=output:5",
    ]);
  });

  it("let nobody in where no source is of the address's family, and by no second name of the address", () => {
    const restricted = { ingressIps: ["203.0.113.9"], externalIps: ["203.0.113.9"] };
    for (const sourceRanges of [["2001:db8:9::/64"], []]) {
      const flows = flowsOf([service({ ...restricted, sourceRanges })]).filter((flow) => flow.includes("tp_dst=80"));
      expect(flows).toEqual(["table=0,priority=165,tcp,in_port=1,nw_dst=203.0.113.9,tp_dst=80,actions=drop"]);
    }
  });

  it("drop what is for a Service with the policy Local that has no endpoint here, by family", () => {
    const local = { ...nodePort, externalLocal: true, localEndpoints: 1, localEndpointsOf: { ipv4: 1, ipv6: 0 } };
    const flows = flowsOf([service(local)]);
    expect(flows[0]).toMatch(/nw_dst=192.0.2.11,tp_dst=30053,actions=output:5$/);
    expect(flows[2]).toMatch(/ipv6_dst=2001:db8::11,tp_dst=30053,actions=drop$/);
  });

  it("leave a node everything but the Service's ports where an external address is a node's own", () => {
    expect(flowsOf([service({ externalIps: ["192.0.2.11"] })])).toEqual([
      "table=0,priority=165,tcp,in_port=1,nw_dst=192.0.2.11,tp_dst=80,actions=output:5",
      "table=0,priority=165,tcp,in_port=5,nw_src=192.0.2.11,tp_src=80,actions=output:1",
    ]);
    expect(flowsOf([service({ externalIps: ["192.0.2.12"] })])).toEqual([
      "table=0,priority=195,arp,in_port=1,arp_op=1,arp_tpa=192.0.2.12,actions=LOCAL",
      "table=0,priority=165,tcp,in_port=1,nw_dst=192.0.2.12,tp_dst=80,actions=output:5",
      "table=0,priority=165,tcp,in_port=5,nw_src=192.0.2.12,tp_src=80,actions=output:1",
    ]);
  });

  it("give what two Services claim to the older one", () => {
    const local = { externalIps: ["203.0.113.9"], externalLocal: true };
    const younger = service({ ...local, key: "shop/a", createdAt: "2026-01-02T00:00:00Z" });
    const flows = flowsOf([younger, service({ externalIps: ["203.0.113.9"] })]);
    expect(flows.filter((flow) => flow.includes("tp_dst=80"))).toEqual([
      "table=0,priority=165,tcp,in_port=1,nw_dst=203.0.113.9,tp_dst=80,actions=output:5",
    ]);
  });
});
