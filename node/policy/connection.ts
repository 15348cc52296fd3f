/** One end of a connection. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** A UDP connection as connection tracking knows it. */
export interface UdpConnection {
  readonly zone: number;
  /** Who opened it, and whom he asked for. */
  readonly from: Endpoint;
  readonly to: Endpoint;
  /** Who answers in fact: behind a Service a backend. */
  readonly answeredBy: Endpoint;
  readonly mark: number;
}

const line =
  /^udp,orig=\(src=([^,]+),dst=([^,]+),sport=(\d+),dport=(\d+)\),reply=\(src=([^,]+),dst=[^,]+,sport=(\d+),dport=\d+\)/;

const zoneField = ",zone=";

/**
 * Reads a line of `dpctl/dump-conntrack` (ovs-dpctl(8)).
 * @param isWanted asked for the zone first: most lines are of no interest, and a node has many
 * @returns undefined for what is no UDP connection of a wanted zone
 */
export function readUdpConnection(text: string, isWanted: (zone: number) => boolean): UdpConnection | undefined {
  if (!text.startsWith("udp,")) return undefined;
  const at = text.lastIndexOf(zoneField);
  const zone = at < 0 ? 0 : Number.parseInt(text.slice(at + zoneField.length), 10);
  if (!isWanted(zone)) return undefined;
  const [, source, destination, sourcePort, destinationPort, answerer, answererPort] = line.exec(text) ?? [];
  if (source === undefined || destination === undefined || answerer === undefined) return undefined;
  return {
    zone,
    from: { address: source, port: Number(sourcePort) },
    to: { address: destination, port: Number(destinationPort) },
    answeredBy: { address: answerer, port: Number(answererPort) },
    mark: Number(/,mark=(\w+)/.exec(text)?.[1] ?? 0),
  };
}
