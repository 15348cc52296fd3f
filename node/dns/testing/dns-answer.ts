import { isIP } from "node:net";
import { addressBytes } from "../../netlink/index.ts";

export interface TestRecord {
  readonly name: string;
  readonly ttlSeconds?: number;
  /** An address, or the name that this one stands for. */
  readonly to: string;
}

export interface TestAnswer {
  readonly id?: number;
  readonly name: string;
  readonly type?: number;
  readonly records: readonly TestRecord[];
  readonly flags?: number;
}

export function nameBytes(name: string): Buffer {
  const labels = name === "" ? [] : name.split(".");
  return Buffer.concat([
    ...labels.map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label, "latin1")])),
    Buffer.from([0]),
  ]);
}

/** A successful answer, as a resolver writes it; names are not compressed. */
export function dnsAnswer({ id = 1, name, type = 1, records, flags = 0x8180 }: TestAnswer): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(flags, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(records.length, 6);
  const question = Buffer.alloc(4);
  question.writeUInt16BE(type, 0);
  question.writeUInt16BE(1, 2);
  const answers = records.map(({ name: owner, ttlSeconds = 60, to }) => {
    const data = isIP(to) === 0 ? nameBytes(to) : addressBytes(to);
    const fixed = Buffer.alloc(10);
    fixed.writeUInt16BE({ 0: 5, 4: 1, 6: 28 }[isIP(to)] ?? 5, 0);
    fixed.writeUInt16BE(1, 2);
    fixed.writeUInt32BE(ttlSeconds, 4);
    fixed.writeUInt16BE(data.length, 8);
    return Buffer.concat([nameBytes(owner), fixed, data]);
  });
  return Buffer.concat([header, nameBytes(name), question, ...answers]);
}
