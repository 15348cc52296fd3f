import { describe, expect, it } from "vitest";
import { readUdpConnection } from "./connection.ts";

const all = () => true;

describe("a line of connection tracking", () => {
  it("tells who opened a connection and who answers it", () => {
    const line =
      "udp,orig=(src=10.244.1.3,dst=10.96.0.10,sport=40000,dport=53),reply=(src=10.244.0.3,dst=10.244.1.3,sport=5353,dport=40000),zone=19,mark=3,labels=0x1";
    expect(readUdpConnection(line, all)).toEqual({
      zone: 19,
      from: { address: "10.244.1.3", port: 40000 },
      to: { address: "10.96.0.10", port: 53 },
      answeredBy: { address: "10.244.0.3", port: 5353 },
      mark: 3,
    });
  });

  it("leaves out zone and mark where they are 0", () => {
    const line = "udp,orig=(src=fd00::1,dst=fd00::2,sport=1,dport=2),reply=(src=fd00::2,dst=fd00::1,sport=2,dport=1)";
    expect(readUdpConnection(line, all)).toMatchObject({ zone: 0, mark: 0, to: { address: "fd00::2", port: 2 } });
  });

  it("of a zone that nobody asks for is passed over", () => {
    const line = "udp,orig=(src=::1,dst=::2,sport=1,dport=2),reply=(src=::2,dst=::1,sport=2,dport=1),zone=5";
    expect(readUdpConnection(line, (zone) => zone === 4)).toBeUndefined();
    expect(readUdpConnection(line, (zone) => zone === 5)).toMatchObject({ zone: 5 });
  });

  it("of another protocol is passed over", () => {
    expect(readUdpConnection("icmp,orig=(src=1.1.1.1,dst=2.2.2.2,id=1,type=8,code=0),reply=()", all)).toBeUndefined();
    expect(readUdpConnection("", all)).toBeUndefined();
  });
});
