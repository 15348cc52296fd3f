/** An address as a person writes it: an IPv4 address that came in through an IPv6 socket loses its prefix. */
export function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/, "").replace(/%.*$/, "");
}
