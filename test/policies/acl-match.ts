import { BlockList, isIP } from "node:net";

/**
 * The expressions that ACLs match by (ovn-sb(5), "Logical_Flow:match"), as far as policies use them. What is not known here is
 * an error: a match that is guessed at proves nothing.
 */

/** A packet at one point of a logical switch. */
export interface LogicalPacket {
  /** UUIDs and names of the ports by which it comes and goes. */
  readonly inport: PortName;
  readonly outport: PortName;
  readonly family: "ipv4" | "ipv6";
  readonly source: string;
  readonly destination: string;
  readonly protocol: "tcp" | "udp" | "sctp" | "icmp";
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly icmpType: number;
  /** What connection tracking says of it, such as `new`, `est`, `rpl`, `dnat`. */
  readonly ct: ReadonlySet<string>;
  /** It goes back to the port that it came from. */
  readonly isTurnedRound?: boolean;
}

export interface PortName {
  readonly uuid: string;
  readonly name: string;
}

/** What names in expressions stand for. */
export interface MatchContext {
  /** Whether a port is in a group; @throws when there is no such group */
  inGroup(group: string, port: PortName): boolean;
  /** Whether a set holds an address; @throws when there is no such set */
  inSet(set: string, address: string): boolean;
  /** Whether a port is where the packet is judged; @throws when there is no such port */
  isResident(port: string): boolean;
}

export type Match = (packet: LogicalPacket, context: MatchContext) => boolean;

type Token = { readonly kind: "id" | "constant" | "string" | "set" | "group" | "symbol"; readonly text: string };

const tokenPattern =
  /\s*(?:("(?:[^"\\]|\\.)*")|\$([A-Za-z0-9_.]+)|@([A-Za-z0-9_.]+)|(&&|\|\||==|!=|<=|>=|<|>|!|\(|\)|\{|\}|,)|([0-9A-Fa-f]*:[0-9A-Fa-f:.]*(?:\/[0-9A-Fa-f:.]+)?|[0-9][0-9A-Za-z.]*(?:\/[0-9.]+)?)|([A-Za-z_][A-Za-z0-9_.]*))/y;

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  tokenPattern.lastIndex = 0;
  let end = 0;
  while (text.slice(end).trim() !== "") {
    tokenPattern.lastIndex = end;
    const found = tokenPattern.exec(text);
    if (found === null) throw new Error(`${text}: can't be read from ${JSON.stringify(text.slice(end))} on`);
    end = tokenPattern.lastIndex;
    const [, string, set, group, symbol, constant, id] = found;
    if (string !== undefined) tokens.push({ kind: "string", text: JSON.parse(string) as string });
    else if (set !== undefined) tokens.push({ kind: "set", text: set });
    else if (group !== undefined) tokens.push({ kind: "group", text: group });
    else if (symbol !== undefined) tokens.push({ kind: "symbol", text: symbol });
    else if (constant !== undefined) tokens.push({ kind: "constant", text: constant });
    else if (id !== undefined) tokens.push({ kind: "id", text: id });
  }
  return tokens;
}

const isIcmp6 = ({ protocol, family }: LogicalPacket, types: readonly number[], icmpType: number) =>
  protocol === "icmp" && family === "ipv6" && types.includes(icmpType);

/** What is either so or not (ovn-sb(5): predicates, and fields of one bit). */
const predicates: Readonly<Record<string, (packet: LogicalPacket) => boolean>> = {
  ip: () => true,
  ip4: ({ family }) => family === "ipv4",
  ip6: ({ family }) => family === "ipv6",
  tcp: ({ protocol }) => protocol === "tcp",
  udp: ({ protocol }) => protocol === "udp",
  sctp: ({ protocol }) => protocol === "sctp",
  icmp: ({ protocol }) => protocol === "icmp",
  icmp4: ({ protocol, family }) => protocol === "icmp" && family === "ipv4",
  icmp6: ({ protocol, family }) => protocol === "icmp" && family === "ipv6",
  arp: () => false,
  nd: (packet) => isIcmp6(packet, [135, 136], packet.icmpType),
  nd_ns: (packet) => isIcmp6(packet, [135], packet.icmpType),
  nd_na: (packet) => isIcmp6(packet, [136], packet.icmpType),
  nd_rs: (packet) => isIcmp6(packet, [133], packet.icmpType),
  nd_ra: (packet) => isIcmp6(packet, [134], packet.icmpType),
  mldv1: (packet) => isIcmp6(packet, [130, 131, 132], packet.icmpType),
  mldv2: (packet) => isIcmp6(packet, [143], packet.icmpType),
};
for (const flag of ["new", "est", "rel", "rpl", "inv", "trk", "dnat", "snat"]) {
  Object.assign(predicates, { [`ct.${flag}`]: ({ ct }: LogicalPacket) => ct.has(flag) });
}

const protocolNumbers = { tcp: 6, udp: 17, sctp: 132 } as const;

/** Numbers; undefined where the packet lacks the field, so that no comparison holds, negated or not. */
const numbers: Readonly<Record<string, (packet: LogicalPacket) => number | undefined>> = {
  "flags.loopback": ({ isTurnedRound }) => (isTurnedRound === true ? 1 : 0),
  "tcp.src": ({ protocol, sourcePort }) => (protocol === "tcp" ? sourcePort : undefined),
  "tcp.dst": ({ protocol, destinationPort }) => (protocol === "tcp" ? destinationPort : undefined),
  "udp.src": ({ protocol, sourcePort }) => (protocol === "udp" ? sourcePort : undefined),
  "udp.dst": ({ protocol, destinationPort }) => (protocol === "udp" ? destinationPort : undefined),
  "sctp.src": ({ protocol, sourcePort }) => (protocol === "sctp" ? sourcePort : undefined),
  "sctp.dst": ({ protocol, destinationPort }) => (protocol === "sctp" ? destinationPort : undefined),
  "icmp4.type": ({ protocol, family, icmpType }) => (protocol === "icmp" && family === "ipv4" ? icmpType : undefined),
  "icmp6.type": ({ protocol, family, icmpType }) => (protocol === "icmp" && family === "ipv6" ? icmpType : undefined),
  "ip.proto": ({ protocol, family }) =>
    protocol === "icmp" ? (family === "ipv4" ? 1 : 58) : protocolNumbers[protocol],
};

const addresses: Readonly<Record<string, (packet: LogicalPacket) => string | undefined>> = {
  "ip4.src": ({ family, source }) => (family === "ipv4" ? source : undefined),
  "ip4.dst": ({ family, destination }) => (family === "ipv4" ? destination : undefined),
  "ip6.src": ({ family, source }) => (family === "ipv6" ? source : undefined),
  "ip6.dst": ({ family, destination }) => (family === "ipv6" ? destination : undefined),
};

/** Whether an address is one of these addresses and networks. */
export function addressTest(members: Iterable<string>): (address: string) => boolean {
  const list = new BlockList();
  const all = new Set<4 | 6>();
  for (const member of members) {
    const [base = "", length] = member.split("/");
    const version = isIP(base);
    if (version === 0 || (length !== undefined && !/^[0-9]+$/.test(length)))
      throw new Error(`${member} is neither an address nor a network`);
    const family = version === 4 ? "ipv4" : "ipv6";
    if (length === undefined) list.addAddress(base, family);
    else if (Number(length) === 0) all.add(version === 4 ? 4 : 6);
    else list.addSubnet(base, Number(length), family);
  }
  return (address) => {
    const version = isIP(address) === 4 ? 4 : 6;
    return all.has(version) || list.check(address, version === 4 ? "ipv4" : "ipv6");
  };
}

type Operator = "==" | "!=" | "<" | "<=" | ">" | ">=";
const operators: readonly string[] = ["==", "!=", "<", "<=", ">", ">="];
const opposite: Readonly<Record<Operator, Operator>> = {
  "==": "!=",
  "!=": "==",
  "<": ">=",
  ">=": "<",
  "<=": ">",
  ">": "<=",
};
const swapped: Readonly<Record<Operator, Operator>> = {
  "==": "==",
  "!=": "!=",
  "<": ">",
  ">": "<",
  "<=": ">=",
  ">=": "<=",
};

function holds(operator: Operator, a: number, b: number): boolean {
  switch (operator) {
    case "==":
      return a === b;
    case "!=":
      return a !== b;
    case "<":
      return a < b;
    case "<=":
      return a <= b;
    case ">":
      return a > b;
    case ">=":
      return a >= b;
  }
}

/** Reads an expression. @throws Error on what OVN would refuse, and on what this reader doesn't know */
export function parseMatch(text: string): Match {
  const tokens = tokensOf(text);
  let position = 0;
  const fail = (what: string): never => {
    throw new Error(`${text}: ${what}`);
  };
  const peek = (symbol: string) => tokens[position]?.kind === "symbol" && tokens[position]?.text === symbol;
  const take = (symbol: string): boolean => {
    if (!peek(symbol)) return false;
    position += 1;
    return true;
  };
  const takeOperator = (): Operator | undefined => {
    const token = tokens[position];
    if (token?.kind !== "symbol" || !operators.includes(token.text)) return undefined;
    position += 1;
    return token.text as Operator;
  };

  /** Negation turns comparisons round instead of their result: what a packet lacks is neither equal nor unequal. */
  function expression(negated: boolean): Match {
    const first = term(negated);
    const operator = peek("&&") ? "&&" : peek("||") ? "||" : undefined;
    if (operator === undefined) return first;
    const terms = [first];
    while (take(operator)) terms.push(term(negated));
    if (peek("&&") || peek("||")) fail("&& and || without parentheses");
    return (operator === "&&") !== negated
      ? (packet, context) => terms.every((one) => one(packet, context))
      : (packet, context) => terms.some((one) => one(packet, context));
  }

  function term(negated: boolean): Match {
    if (take("(")) {
      const inner = expression(negated);
      if (!take(")")) fail(") is missing");
      return inner;
    }
    if (take("!")) return term(!negated);
    return comparison(negated);
  }

  function constants(): readonly Token[] {
    if (!take("{")) {
      const token = tokens[position];
      if (token === undefined || token.kind === "symbol" || token.kind === "id") return fail("a constant is missing");
      position += 1;
      return [token];
    }
    const list: Token[] = [];
    while (!take("}")) {
      list.push(...constants());
      take(",");
    }
    return list;
  }

  function comparison(negated: boolean): Match {
    const token = tokens[position];
    if (token?.kind === "constant") {
      // 1 and 0 are true and false; otherwise this is a range: 8000 <= tcp.dst <= 9000.
      position += 1;
      const left = takeOperator();
      if (left === undefined) {
        if (token.text !== "1" && token.text !== "0") fail(`${token.text} is no condition`);
        const isTrue = (token.text === "1") !== negated;
        return () => isTrue;
      }
      const field = tokens[position];
      if (field?.kind !== "id") return fail("a field is missing");
      position += 1;
      const first = compare(field.text, swapped[left], [token], negated);
      const right = takeOperator();
      if (right === undefined) return first;
      const second = compare(field.text, right, constants(), negated);
      return negated ? (...args) => first(...args) || second(...args) : (...args) => first(...args) && second(...args);
    }
    if (token?.kind !== "id") return fail("a condition is missing");
    position += 1;
    if (token.text === "is_chassis_resident") {
      if (!take("(")) fail("( is missing");
      const port = tokens[position];
      position += 1;
      if (port?.kind !== "string" || !take(")")) return fail("is_chassis_resident is of a port's name");
      return (_, context) => context.isResident(port.text) !== negated;
    }
    const operator = takeOperator();
    if (operator !== undefined) return compare(token.text, operator, constants(), negated);
    const predicate = Object.hasOwn(predicates, token.text) ? predicates[token.text] : undefined;
    if (predicate === undefined) return fail(`${token.text} is not known`);
    return (packet) => predicate(packet) !== negated;
  }

  function compare(field: string, given: Operator, values: readonly Token[], negated: boolean): Match {
    const operator = negated ? opposite[given] : given;
    if (operator === "!=" && (values.length > 1 || values[0]?.kind === "set"))
      fail("!= on a set: flows multiply by its members");
    if (field === "inport" || field === "outport") {
      if (operator !== "==" && operator !== "!=") fail(`${operator} on a name`);
      const isEqual = operator === "==";
      return (packet, context) =>
        values.some(({ kind, text: value }) => {
          const port = packet[field];
          if (kind === "group") return context.inGroup(value, port);
          if (kind === "string") return port.name === value;
          return fail(`${field} compared with ${value}`);
        }) === isEqual;
    }
    const address = Object.hasOwn(addresses, field) ? addresses[field] : undefined;
    if (address !== undefined) {
      if (operator !== "==" && operator !== "!=") fail(`${operator} on an address`);
      const isEqual = operator === "==";
      const test = addressTest(values.flatMap(({ kind, text: value }) => (kind === "constant" ? [value] : [])));
      const sets = values.filter(({ kind }) => kind === "set");
      if (values.some(({ kind }) => kind !== "constant" && kind !== "set")) fail(`${field} compared with a name`);
      return (packet, context) => {
        const actual = address(packet);
        if (actual === undefined) return false;
        return (test(actual) || sets.some(({ text: name }) => context.inSet(name, actual))) === isEqual;
      };
    }
    const number = Object.hasOwn(numbers, field) ? numbers[field] : undefined;
    if (number === undefined) return fail(`the field ${field} is not known`);
    const wanted = values.map(({ kind, text: value }) =>
      kind === "constant" && /^(0x[0-9a-fA-F]+|[0-9]+)$/.test(value) ? Number(value) : fail(`${value} is no number`),
    );
    return (packet) => {
      const actual = number(packet);
      if (actual === undefined) return false;
      return operator === "!="
        ? wanted.every((value) => actual !== value)
        : wanted.some((value) => holds(operator, actual, value));
    };
  }

  const match = expression(false);
  if (position < tokens.length) fail(`${tokens[position]?.text} is one too many`);
  return match;
}
