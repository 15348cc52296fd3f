import { addressText } from "../netlink/index.ts";

/** RFC 1035 section 3.2.2, RFC 3596. */
const types = { a: 1, cname: 5, aaaa: 28 } as const;
const classInternet = 1;
const headerBytes = 12;
/** Of the header's flags. */
const isResponse = 0x8000;
const longestNameBytes = 255;
/** More labels than that have no room in a name, and each pointer leads to one. */
const mostPointers = 127;
/** An answer with more records than this is read up to here. */
const mostRecords = 512;

/** One record of an answer section, of those that lead to addresses. Names in lower case, without the dot at the end. */
export type AnswerRecord =
  | { readonly kind: "address"; readonly name: string; readonly ttlSeconds: number; readonly address: string }
  | { readonly kind: "alias"; readonly name: string; readonly ttlSeconds: number; readonly target: string };

export interface DnsAnswer {
  /** What was asked for. */
  readonly name: string;
  /** As far as they could be read: of a message that was cut off, those before the cut. */
  readonly records: readonly AnswerRecord[];
}

/** A message with one question: who asks, and who answers, bear the same number and name. */
export interface DnsQuestion {
  readonly isAnswer: boolean;
  /** Chosen by who asks. */
  readonly id: number;
  readonly name: string;
}

/**
 * Reads which question a query (RFC 1035 section 4.1, of the internet's names) asks, or an answer answers, a refusal too.
 * @returns undefined for what has no such question, and what is no DNS message
 */
export function readDnsQuestion(message: Buffer): DnsQuestion | undefined {
  const question = questionOf(message);
  if (question === undefined) return undefined;
  return { isAnswer: (message.readUInt16BE(2) & isResponse) !== 0, id: message.readUInt16BE(0), name: question.name };
}

function questionOf(message: Buffer): { readonly name: string; readonly end: number } | undefined {
  if (message.length < headerBytes) return undefined;
  const opcode = (message.readUInt16BE(2) >> 11) & 15;
  if (opcode !== 0 || message.readUInt16BE(4) !== 1) return undefined;
  const name = readName(message, headerBytes);
  if (name === undefined || name.end + 4 > message.length) return undefined;
  if (message.readUInt16BE(name.end + 2) !== classInternet) return undefined;
  return { name: name.text, end: name.end + 4 };
}

/**
 * Reads a successful answer to one question (RFC 1035 section 4.1). Whatever a message says, this takes time in proportion
 * to its length.
 * @returns undefined for a query, a refusal, what has no such question, and what is no DNS message
 */
export function readDnsAnswer(message: Buffer): DnsAnswer | undefined {
  const question = questionOf(message);
  if (question === undefined) return undefined;
  const flags = message.readUInt16BE(2);
  const code = flags & 15;
  if ((flags & isResponse) === 0 || code !== 0) return undefined;
  const records: AnswerRecord[] = [];
  const count = Math.min(message.readUInt16BE(6), mostRecords);
  let at = question.end;
  for (let index = 0; index < count; index += 1) {
    const owner = readName(message, at);
    if (owner === undefined || owner.end + 10 > message.length) break;
    const type = message.readUInt16BE(owner.end);
    const recordClass = message.readUInt16BE(owner.end + 2);
    const ttl = message.readUInt32BE(owner.end + 4);
    const data = owner.end + 10;
    at = data + message.readUInt16BE(owner.end + 8);
    if (at > message.length) break;
    if (recordClass !== classInternet) continue;
    const name = owner.text;
    // RFC 2181 section 8: with the highest bit set it counts as zero.
    const ttlSeconds = ttl > 0x7fffffff ? 0 : ttl;
    if (type === types.cname) {
      const target = readName(message, data);
      if (target !== undefined && target.end === at) {
        records.push({ kind: "alias", name, ttlSeconds, target: target.text });
      }
    } else if ((type === types.a && at - data === 4) || (type === types.aaaa && at - data === 16)) {
      records.push({ kind: "address", name, ttlSeconds, address: addressText(message.subarray(data, at)) });
    }
  }
  return { name: question.name, records };
}

/**
 * Reads a name, compressed or not. Each pointer has to lead to before what was read last, so that none can go round
 * (RFC 1035 section 4.1.4: "a prior occurrence").
 * @returns its text, and where what follows it begins; undefined when it is none
 */
function readName(message: Buffer, start: number): { readonly text: string; readonly end: number } | undefined {
  let text = "";
  let at = start;
  let before = start;
  let end: number | undefined;
  let bytes = 0;
  let pointers = 0;
  for (;;) {
    const length = message[at];
    if (length === undefined) return undefined;
    if (length >= 0xc0) {
      const low = message[at + 1];
      if (low === undefined) return undefined;
      end ??= at + 2;
      const target = ((length & 0x3f) << 8) | low;
      pointers += 1;
      if (target >= before || target < headerBytes || pointers > mostPointers) return undefined;
      at = target;
      before = target;
      continue;
    }
    if (length > 63) return undefined;
    bytes += length + 1;
    if (bytes > longestNameBytes || at + 1 + length > message.length) return undefined;
    if (length === 0) return { text, end: end ?? at + 1 };
    text += (text === "" ? "" : ".") + labelText(message, at + 1, at + 1 + length);
    at += 1 + length;
  }
}

/** In lower case. What no policy can give is written so that it equals nothing that one can: a dot in a label is no dot. */
function labelText(message: Buffer, start: number, end: number): string {
  let text = "";
  for (let at = start; at < end; at += 1) {
    const byte = message[at] ?? 0;
    const character = String.fromCharCode(byte).toLowerCase();
    text += /[a-z0-9_-]/.test(character) ? character : `\\${byte}`;
  }
  return text;
}
