import type { Endpoint, EndpointSliceRecord } from "../state/endpoint-slice.ts";

function sameEndpoint(one: Endpoint, other: Endpoint): boolean {
  return (
    one.address === other.address &&
    one.node === other.node &&
    one.ready === other.ready &&
    one.servesWhileEnding === other.servesWhileEnding &&
    one.zones?.join() === other.zones?.join()
  );
}

/** Whether two states of a slice mean the same to load balancers: annotations and labels change more often than endpoints. */
export function sameEndpoints(one: EndpointSliceRecord, other: EndpointSliceRecord): boolean {
  if (one.service !== other.service || one.family !== other.family) return false;
  if (one.endpoints.length !== other.endpoints.length || one.invalid.join() !== other.invalid.join()) return false;
  const ports = ({ ports }: EndpointSliceRecord): string =>
    ports.map(({ name, protocol, port }) => `${name} ${protocol} ${port}`).join();
  if (one.ports !== other.ports && ports(one) !== ports(other)) return false;
  return one.endpoints.every((endpoint, position) => {
    const counterpart = other.endpoints[position];
    return counterpart !== undefined && sameEndpoint(endpoint, counterpart);
  });
}
