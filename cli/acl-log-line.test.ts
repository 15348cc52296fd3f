import { describe, expect, it } from "vitest";
import { parseAclLogLine } from "./acl-log-line.ts";

const before = "2026-11-21T08:02:31.123Z|00010|acl_log(ovn_pinctrl0)|INFO|";

describe("a line about an ACL", () => {
  it("is read with its ends and ports", () => {
    const line = `${before}name="NP/shop/web:ingress:0", verdict=allow, severity=info, direction=to-lport: tcp,vlan_tci=0x0000,dl_src=0a:58:0a:f4:01:01,dl_dst=0a:58:0a:f4:01:03,nw_src=10.244.0.3,nw_dst=10.244.1.3,nw_tos=0,nw_ecn=0,nw_ttl=63,nw_frag=no,tp_src=49298,tp_dst=8080,tcp_flags=fin|ack`;
    expect(parseAclLogLine(line)).toEqual({
      time: "2026-11-21T08:02:31.123Z",
      name: "NP/shop/web:ingress:0",
      verdict: "allow",
      direction: "ingress",
      protocol: "tcp",
      source: "10.244.0.3",
      destination: "10.244.1.3",
      sourcePort: 49298,
      destinationPort: 8080,
    });
  });

  it("of IPv6 says the same protocol; ICMP has no ports", () => {
    const udp = `${before}name="x", verdict=drop, severity=info, direction=from-lport: udp6,vlan_tci=0x0000,ipv6_src=fd00::1,ipv6_dst=fd00::2,ipv6_label=0x0,nw_tos=0,tp_src=1,tp_dst=53`;
    expect(parseAclLogLine(udp)).toMatchObject({
      protocol: "udp",
      direction: "egress",
      source: "fd00::1",
      destinationPort: 53,
    });
    const icmp = `${before}name="x", verdict=drop, severity=info, direction=to-lport: icmp6,ipv6_src=fd00::1,ipv6_dst=fd00::2,icmp_type=128,icmp_code=0`;
    const read = parseAclLogLine(icmp);
    expect(read).toMatchObject({ protocol: "icmp6" });
    expect(read).not.toHaveProperty("sourcePort");
  });

  it.each(["", "2026-11-21T08:02:31Z|00001|reconnect|INFO|unix:x: connected", `${before}name="x"`])(
    "is not %j",
    (line) => {
      expect(parseAclLogLine(line)).toBeUndefined();
    },
  );
});
