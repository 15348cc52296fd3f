import { isIP } from "node:net";

/** Types of RFC 1035 section 3.2.2, RFC 3596 and RFC 2782. */
export const recordType = { a: 1, ns: 2, cname: 5, soa: 6, ptr: 12, aaaa: 28, srv: 33, opt: 41, any: 255 } as const;
export const responseCode = { none: 0, malformed: 1, noSuchName: 3, notImplemented: 4, refused: 5 } as const;

export interface Question {
  readonly id: number;
  readonly flags: number;
  /** Lower case, without the dot at the end. */
  readonly name: string;
  readonly type: number;
  /** The question as it came, to be given back. */
  readonly wire: Buffer;
  /** How much the asker takes by UDP (RFC 6891); 512 unless it said so. */
  readonly udpBytes: number;
  readonly edns: boolean;
}

export type DnsRecord =
  | { readonly kind: "address"; readonly name: string; readonly address: string }
  | { readonly kind: "alias" | "pointer"; readonly name: string; readonly target: string }
  | { readonly kind: "service"; readonly name: string; readonly port: number; readonly target: string };

const headerBytes = 12;
const ttlSeconds = 5;
const longestName = 255;

/** Reads a query with one question. @returns undefined when it is none that could be answered (RFC 1035 section 4.1) */
export function readQuestion(message: Buffer): Question | undefined {
  if (message.length < headerBytes) return undefined;
  const flags = message.readUInt16BE(2);
  if ((flags & 0x8000) !== 0 || message.readUInt16BE(4) !== 1) return undefined;
  const labels: string[] = [];
  let at = headerBytes;
  for (;;) {
    const length = message[at];
    if (length === undefined || length > 63 || at + 1 + length > message.length || at - headerBytes > longestName)
      return undefined;
    at += 1;
    if (length === 0) break;
    labels.push(message.toString("latin1", at, at + length).toLowerCase());
    at += length;
  }
  if (at + 4 > message.length) return undefined;
  const type = message.readUInt16BE(at);
  const wire = message.subarray(headerBytes, at + 4);
  // An OPT record has the root as its name; it is looked for only where nothing else stands before it.
  const opt = at + 4;
  const edns =
    message.readUInt16BE(10) > 0 &&
    message.length >= opt + 11 &&
    message[opt] === 0 &&
    message.readUInt16BE(opt + 1) === recordType.opt;
  const udpBytes = edns ? Math.max(512, message.readUInt16BE(opt + 3)) : 512;
  return { id: message.readUInt16BE(0), flags, name: labels.join("."), type, wire, udpBytes, edns };
}

/**
 * An authoritative answer. What is longer than `limit` bytes is cut to a message that says so (TC), and is to be asked
 * for by TCP.
 */
export function writeAnswer(
  question: Question,
  code: number,
  answers: readonly DnsRecord[],
  limit: number,
  zone: string,
): Buffer {
  const records = answers.map(writeRecord);
  const authority = answers.length === 0 && code !== responseCode.refused ? [startOfAuthority(zone)] : [];
  const options = question.edns ? [Buffer.from([0, 0, recordType.opt, 0x04, 0xd0, 0, 0, 0, 0, 0, 0])] : [];
  const whole = assemble(question, code, false, records, authority, options);
  return whole.length <= limit ? whole : assemble(question, code, true, [], [], options);
}

function assemble(
  { id, flags, wire }: Question,
  code: number,
  truncated: boolean,
  answers: readonly Buffer[],
  authority: readonly Buffer[],
  additional: readonly Buffer[],
): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt16BE(id, 0);
  // Answer, authoritative; opcode and "recursion desired" as they were asked.
  header.writeUInt16BE(0x8400 | (flags & 0x7900) | (truncated ? 0x0200 : 0) | code, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(answers.length, 6);
  header.writeUInt16BE(authority.length, 8);
  header.writeUInt16BE(additional.length, 10);
  return Buffer.concat([header, wire, ...answers, ...authority, ...additional]);
}

function writeName(name: string): Buffer {
  const labels = name === "" ? [] : name.split(".");
  return Buffer.concat([
    ...labels.map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label, "latin1")])),
    Buffer.from([0]),
  ]);
}

function record(name: string, type: number, data: Buffer): Buffer {
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(type, 0);
  fixed.writeUInt16BE(1, 2);
  fixed.writeUInt32BE(ttlSeconds, 4);
  fixed.writeUInt16BE(data.length, 8);
  return Buffer.concat([writeName(name), fixed, data]);
}

function writeRecord(answer: DnsRecord): Buffer {
  switch (answer.kind) {
    case "address":
      return record(
        answer.name,
        isIP(answer.address) === 4 ? recordType.a : recordType.aaaa,
        addressBytes(answer.address),
      );
    case "alias":
      return record(answer.name, recordType.cname, writeName(answer.target));
    case "pointer":
      return record(answer.name, recordType.ptr, writeName(answer.target));
    case "service": {
      const fixed = Buffer.alloc(6);
      fixed.writeUInt16BE(100, 2);
      fixed.writeUInt16BE(answer.port, 4);
      return record(answer.name, recordType.srv, Buffer.concat([fixed, writeName(answer.target)]));
    }
  }
}

function startOfAuthority(zone: string): Buffer {
  const numbers = Buffer.alloc(20);
  for (const [index, value] of [1, 7200, 1800, 86_400, ttlSeconds].entries()) numbers.writeUInt32BE(value, index * 4);
  const data = Buffer.concat([writeName(`ns.dns.${zone}`), writeName(`hostmaster.${zone}`), numbers]);
  return record(zone, recordType.soa, data);
}

/** The bytes of an address, most significant first. */
export function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split(".").map(Number));
  const [head = "", tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split("::");
  const groups = (part: string | undefined) => (part === undefined || part === "" ? [] : part.split(":"));
  const [left, right] = [groups(head), groups(tail)];
  const zeros = new Array<string>(8 - left.length - right.length).fill("0");
  const bytes = Buffer.alloc(16);
  for (const [index, group] of [...left, ...zeros, ...right].entries())
    bytes.writeUInt16BE(Number.parseInt(group, 16), index * 2);
  return bytes;
}

/** The name under which an address is asked for: `1.0.96.10.in-addr.arpa`, or nibbles below `ip6.arpa` (RFC 3596). */
export function reverseName(address: string): string {
  const bytes = addressBytes(address);
  if (bytes.length === 4) return `${[...bytes].reverse().join(".")}.in-addr.arpa`;
  return `${[...bytes.toString("hex")].reverse().join(".")}.ip6.arpa`;
}
