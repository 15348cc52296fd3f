import { isIPv4 } from "node:net";
import { setSysctl } from "../../node/netlink/index.ts";
import { internetProtocol } from "./libc.ts";
import type { ProbeRequest, ProbeResult } from "./probe.ts";
import { askByDatagram } from "./udp.ts";

const echoRequest = { v4: 8, v6: 128 } as const;
const echoReply = { v4: 0, v6: 129 } as const;

/** Lets everybody in the namespace open ICMP datagram sockets (icmp(7)); the kernel then keeps identifiers apart. */
function allowPing(namespace: string): void {
  setSysctl("ipv4/ping_group_range", "0 2147483647", namespace);
}

let sequence = 0;

/** One echo request (RFC 792, RFC 4443), repeated like the other datagrams. */
export function probeIcmp(request: ProbeRequest): Promise<ProbeResult> {
  const family = isIPv4(request.to) ? "v4" : "v6";
  sequence = (sequence + 1) & 0xffff;
  const number = sequence;
  const question = Buffer.alloc(56);
  question.writeUInt8(echoRequest[family], 0);
  question.writeUInt16BE(number, 6);
  try {
    allowPing(request.namespace);
  } catch (error) {
    return Promise.resolve({ verdict: "error", error: error instanceof Error ? error.message : String(error) });
  }
  const protocol = family === "v4" ? internetProtocol.icmp : internetProtocol.icmpv6;
  return askByDatagram({ ...request, port: 1 }, protocol, question, (answer) =>
    answer.length >= 8 && answer.readUInt8(0) === echoReply[family] && answer.readUInt16BE(6) === number
      ? {}
      : undefined,
  );
}
