import { describe, expect, it } from "vitest";
import { type BridgeFlowInputs, bridgeFlows, flowText } from "./bridge-flows.ts";
import { noServices } from "./service-flows.ts";

const inputs: BridgeFlowInputs = {
  uplinkPort: 1,
  patchPort: 5,
  mac: "0a:00:00:00:00:01",
  nodeAddresses: ["192.0.2.11", "2001:db8::11"],
  services: noServices,
};
const text = (changes: Partial<BridgeFlowInputs> = {}) => flowText(bridgeFlows({ ...inputs, ...changes })).split("\n");

describe("the gateway bridge's flows", () => {
  it("commit OVN's connections outwards and send their replies back to OVN, in both families", () => {
    expect(text()).toEqual(
      expect.arrayContaining([
        "table=0,priority=100,ip,in_port=5,actions=ct(commit,zone=64000,exec(set_field:1->ct_mark)),output:1",
        "table=0,priority=100,ipv6,in_port=5,actions=ct(commit,zone=64000,exec(set_field:1->ct_mark)),output:1",
        "table=0,priority=100,ip,in_port=1,nw_dst=192.0.2.11,actions=ct(zone=64000,table=1)",
        "table=0,priority=100,ipv6,in_port=1,ipv6_dst=2001:db8::11,actions=ct(zone=64000,table=1)",
        "table=1,priority=100,ct_mark=1,actions=output:5",
        "table=1,priority=0,actions=LOCAL",
      ]),
    );
  });

  it("never track what the host itself sends", () => {
    const fromHost = bridgeFlows(inputs).filter(({ match }) => match.includes("in_port=LOCAL"));
    expect(fromHost.length).toBeGreaterThan(0);
    expect(fromHost.filter(({ actions }) => actions.includes("ct("))).toEqual([]);
  });

  it("let only the host answer for the node's addresses, and show neighbours' replies to both", () => {
    expect(text()).toEqual(
      expect.arrayContaining([
        "table=0,priority=200,arp,in_port=1,arp_op=1,arp_tpa=192.0.2.11,actions=LOCAL",
        "table=0,priority=200,icmp6,in_port=1,icmp_type=135,icmp_code=0,nd_target=2001:db8::11,actions=LOCAL",
        "table=0,priority=190,arp,in_port=1,actions=LOCAL,output:5",
      ]),
    );
  });

  it("know nothing of OVN before its patch port is there", () => {
    const flows = text({ patchPort: undefined }).join("\n");
    expect(flows).not.toContain("ct(");
    expect(flows).not.toContain("output:5");
    expect(flows).toContain("table=0,priority=190,arp,in_port=1,actions=LOCAL\n");
  });

  it("meet routers with addresses of their own on this node as well as on the wire", () => {
    expect(text({ outletPort: 7 })).toEqual(
      expect.arrayContaining([
        "table=0,priority=200,arp,in_port=7,arp_op=1,arp_tpa=192.0.2.11,actions=LOCAL",
        "table=0,priority=190,arp,in_port=1,actions=LOCAL,output:5,output:7",
        "table=0,priority=190,arp,in_port=LOCAL,actions=output:1,output:7",
        "table=0,priority=100,ip,in_port=7,nw_dst=192.0.2.11,actions=ct(zone=64000,table=1)",
        "table=0,priority=96,in_port=LOCAL,dl_dst=0a:e6:00:00:00:00/ff:fe:00:00:00:00,actions=output:1,output:7",
        "table=0,priority=95,in_port=1,dl_dst=0a:e6:00:00:00:00/ff:fe:00:00:00:00,actions=output:7",
        "table=0,priority=90,in_port=7,actions=output:1",
      ]),
    );
  });

  it("send no packet to those routers that isn't for one of them", () => {
    const flows = bridgeFlows({ ...inputs, outletPort: 7 }).filter(({ match }) => match.startsWith("ip,in_port=5"));
    expect(flows.filter(({ actions }) => actions.endsWith("output:7")).map(({ match }) => match)).toEqual([
      "ip,in_port=5,dl_dst=0a:e6:00:00:00:00/ff:fe:00:00:00:00",
    ]);
  });

  it("leaves frames of VLANs alone, whatever is in them", () => {
    const [first] = bridgeFlows(inputs);
    expect(first).toMatchObject({ match: "vlan_tci=0x1000/0x1000", actions: "NORMAL" });
    expect(bridgeFlows(inputs).filter(({ priority }) => priority >= (first?.priority ?? 0))).toEqual([first]);
  });

  it("let networks that are routed in and out, untracked", () => {
    expect(text({ routed: ["10.60.0.0/16", "fd60::/64"] })).toEqual(
      expect.arrayContaining([
        "table=0,priority=140,ip,in_port=1,dl_dst=0a:00:00:00:00:01,nw_dst=10.60.0.0/16,actions=output:5",
        "table=0,priority=140,ip,in_port=5,nw_src=10.60.0.0/16,actions=output:1",
        "table=0,priority=140,ipv6,in_port=1,dl_dst=0a:00:00:00:00:01,ipv6_dst=fd60::/64,actions=output:5",
      ]),
    );
  });
});
