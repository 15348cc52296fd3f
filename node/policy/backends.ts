import { addressText } from "../netlink/index.ts";
import type { FlowMatch } from "../openflow/index.ts";
import type { Endpoint } from "./connection.ts";

const udp = 17;
/** Where ovn-controller's flows for hairpin traffic have what was asked for (ovn-controller's lflow.c, OVN 21.06 and later). */
const register = { ipv4: 1, port: 2, ipv6: 4 } as const;

/** A backend of a Service's UDP port. */
export interface Backend {
  readonly service: Endpoint;
  readonly backend: Endpoint;
}

/**
 * Reads from a flow which backend of which load balancer it is for: ovn-controller has one flow for each of them, for
 * backends that ask for themselves.
 * @returns undefined for flows of other kinds
 */
export function readBackend(match: FlowMatch): Backend | undefined {
  const { ipProto, source, destination, udpDestination, registers } = match;
  if (ipProto !== udp || udpDestination === undefined || source === undefined || destination === undefined) return;
  if (source.mask !== undefined || !source.bytes.equals(destination.bytes)) return;
  const port = registers.get(register.port);
  const words =
    source.bytes.length === 4
      ? [registers.get(register.ipv4)]
      : [0, 1, 2, 3].map((word) => registers.get(register.ipv6 + word));
  if (port === undefined || (port.mask & 0xffff) !== 0xffff) return;
  const bytes = Buffer.alloc(source.bytes.length);
  for (const [index, word] of words.entries()) {
    if (word === undefined || word.mask !== 0xffffffff) return;
    bytes.writeUInt32BE(word.value, index * 4);
  }
  return {
    service: { address: addressText(bytes), port: port.value & 0xffff },
    backend: { address: addressText(source.bytes), port: udpDestination },
  };
}
