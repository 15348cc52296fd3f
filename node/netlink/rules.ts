import { isGone, NetlinkError } from "./error.ts";
import {
  AF_INET,
  AF_INET6,
  type Attribute,
  addressBytes,
  addressText,
  attribute,
  attributesOf,
  message,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  NLM_F_REQUEST,
  parsePrefix,
  text,
  textOf,
  uint8,
  uint32,
  uint32Of,
} from "./message.ts";
import type { RouteSocket } from "./socket.ts";

/** rtnetlink(7), linux/fib_rules.h */
const RTM_NEWRULE = 32;
const RTM_DELRULE = 33;
const RTM_GETRULE = 34;
const FRA_DST = 1;
const FRA_SRC = 2;
const FRA_IIFNAME = 3;
const FRA_PRIORITY = 6;
const FRA_TABLE = 15;
const FRA_IP_PROTO = 22;
const FRA_DPORT_RANGE = 24;
const FR_ACT_TO_TBL = 1;
const ruleHeaderBytes = 12;
/** Tables beyond a byte stand in the attribute only. */
const RT_TABLE_UNSPEC = 0;
export const localTable = 255;

/** IP's protocol numbers. */
const protocolNumbers = { tcp: 6, udp: 17, sctp: 132 } as const;
const protocolNames: ReadonlyMap<number, string> = new Map(
  Object.entries(protocolNumbers).map(([name, number]) => [number, name]),
);

/** One rule of the routing policy database (ip-rule(8)) that looks a table up. */
export interface Rule {
  readonly family: "ipv4" | "ipv6";
  /** The lower one is asked first. */
  readonly priority: number;
  readonly table: number;
  /** Prefixes; absent = any. */
  readonly source?: string;
  readonly destination?: string;
  /** `lo` stands for what the host itself sends. */
  readonly incomingLink?: string;
  readonly protocol?: "tcp" | "udp" | "sctp";
  /** Inclusive; needs `protocol`. */
  readonly destinationPorts?: { readonly first: number; readonly last: number };
}

/**
 * Adds a rule; one that is there already stays the only one.
 * @throws {NetlinkError} EINVAL the kernel can't match that, EPERM not root
 */
export function addRule(socket: RouteSocket, rule: Rule): void {
  try {
    socket.request(
      `add the routing rule ${rule.priority}`,
      message(
        RTM_NEWRULE,
        NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
        ruleHeader(rule),
        ruleAttributes(rule),
      ),
    );
  } catch (error) {
    if (!(error instanceof NetlinkError && error.code === "EEXIST")) throw error;
  }
}

/** Deletes a rule. @returns false when there was none */
export function deleteRule(socket: RouteSocket, rule: Rule): boolean {
  try {
    socket.request(
      `delete the routing rule ${rule.priority}`,
      message(RTM_DELRULE, NLM_F_REQUEST | NLM_F_ACK, ruleHeader(rule), ruleAttributes(rule)),
    );
    return true;
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}

/** Every rule of both families that looks a table up, lowest priority first within a family. */
export function listRules(socket: RouteSocket): readonly Rule[] {
  return [AF_INET, AF_INET6].flatMap((family) => {
    const header = Buffer.alloc(ruleHeaderBytes);
    header[0] = family;
    return socket
      .dump("list routing rules", message(RTM_GETRULE, NLM_F_REQUEST | NLM_F_DUMP, header, []))
      .filter(({ type, payload }) => type === RTM_NEWRULE && payload[0] === family && payload[7] === FR_ACT_TO_TBL)
      .map(({ payload }) => ruleOf(payload));
  });
}

/** Equal for equal rules. */
export function ruleKey(rule: Rule): string {
  const { family, priority, table, source, destination, incomingLink, protocol, destinationPorts: ports } = rule;
  return [family, priority, table, source, destination, incomingLink, protocol, ports?.first, ports?.last].join(" ");
}

/** struct fib_rule_hdr */
function ruleHeader(rule: Rule): Buffer {
  const header = Buffer.alloc(ruleHeaderBytes);
  header[0] = rule.family === "ipv4" ? AF_INET : AF_INET6;
  header[1] = rule.destination === undefined ? 0 : parsePrefix(rule.destination).prefixLength;
  header[2] = rule.source === undefined ? 0 : parsePrefix(rule.source).prefixLength;
  header[4] = rule.table > 255 ? RT_TABLE_UNSPEC : rule.table;
  header[7] = FR_ACT_TO_TBL;
  return header;
}

function ruleAttributes(rule: Rule): readonly Attribute[] {
  const attributes = [uint32(FRA_PRIORITY, rule.priority), uint32(FRA_TABLE, rule.table)];
  const prefix = (type: number, cidr: string | undefined) => {
    if (cidr !== undefined) attributes.push(attribute(type, addressBytes(parsePrefix(cidr).address)));
  };
  prefix(FRA_DST, rule.destination);
  prefix(FRA_SRC, rule.source);
  if (rule.incomingLink !== undefined) attributes.push(text(FRA_IIFNAME, rule.incomingLink));
  if (rule.protocol !== undefined) attributes.push(uint8(FRA_IP_PROTO, protocolNumbers[rule.protocol]));
  if (rule.destinationPorts !== undefined) {
    const { first, last } = rule.destinationPorts;
    const range = Buffer.alloc(4);
    range.writeUInt16LE(first, 0);
    range.writeUInt16LE(last, 2);
    attributes.push(attribute(FRA_DPORT_RANGE, range));
  }
  return attributes;
}

function ruleOf(payload: Buffer): Rule {
  const attributes = attributesOf(payload, ruleHeaderBytes);
  const prefix = (type: number, length: number | undefined) => {
    const bytes = attributes.get(type);
    return bytes === undefined ? undefined : `${addressText(bytes)}/${length}`;
  };
  const destination = prefix(FRA_DST, payload[1]);
  const source = prefix(FRA_SRC, payload[2]);
  const incomingLink = textOf(attributes.get(FRA_IIFNAME));
  const protocol = protocolNames.get(attributes.get(FRA_IP_PROTO)?.[0] ?? 0) as Rule["protocol"];
  const range = attributes.get(FRA_DPORT_RANGE);
  return {
    family: payload[0] === AF_INET ? "ipv4" : "ipv6",
    priority: uint32Of(attributes.get(FRA_PRIORITY)) ?? 0,
    table: uint32Of(attributes.get(FRA_TABLE)) ?? payload[4] ?? 0,
    ...(source === undefined ? {} : { source }),
    ...(destination === undefined ? {} : { destination }),
    ...(incomingLink === undefined ? {} : { incomingLink }),
    ...(protocol === undefined ? {} : { protocol }),
    ...(range === undefined ? {} : { destinationPorts: { first: range.readUInt16LE(0), last: range.readUInt16LE(2) } }),
  };
}
