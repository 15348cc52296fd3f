import { readFileSync } from "node:fs";
import { inNamespace } from "../../../node/netlink/index.ts";

/** What a network namespace has received since it was made: the kernel's own count. */
export interface Received {
  /** All but ICMP, by which the kernel also tells itself that it found no neighbour. */
  readonly ipv4: number;
  /** Of both families. */
  readonly tcp: number;
  readonly udp: number;
  readonly udp6: number;
}

export const nothing: Received = { ipv4: 0, tcp: 0, udp: 0, udp6: 0 };

/** `Name: key key …` followed by `Name: value value …`, see proc_net_snmp(5) and RFC 1213. */
function tableOf(text: string, name: string): ReadonlyMap<string, number> {
  const [keys = [], values = []] = text
    .split("\n")
    .filter((line) => line.startsWith(`${name}: `))
    .map((line) => line.split(" ").slice(1));
  return new Map(keys.map((key, index) => [key, Number(values[index])]));
}

export function receivedIn(namespace: string): Received {
  const [ipv4And6, ipv6] = inNamespace(namespace, () =>
    ["snmp", "snmp6"].map((name) => readFileSync(`/proc/thread-self/net/${name}`, "utf8")),
  );
  const sum = (table: ReadonlyMap<string, number>, ...keys: readonly string[]) =>
    keys.reduce((total, key) => total + (table.get(key) ?? Number.NaN), 0);
  const later = new Map(
    (ipv6 ?? "")
      .split("\n")
      .map((line) => line.split(/\s+/))
      .map(([key = "", value]) => [key, Number(value)]),
  );
  const table = (name: string) => tableOf(ipv4And6 ?? "", name);
  return {
    ipv4: sum(table("Ip"), "InReceives") - sum(table("Icmp"), "InMsgs"),
    tcp: sum(table("Tcp"), "InSegs"),
    udp: sum(table("Udp"), "InDatagrams", "NoPorts", "InErrors"),
    udp6: sum(later, "Udp6InDatagrams", "Udp6NoPorts", "Udp6InErrors"),
  };
}
