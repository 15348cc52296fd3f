import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readDnsAnswer, readDnsQuestion } from "./dns-message.ts";
import { dnsAnswer, nameBytes } from "./testing/dns-answer.ts";

const header = (answers: number, flags = 0x8180) => {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt16BE(flags, 2);
  bytes.writeUInt16BE(1, 4);
  bytes.writeUInt16BE(answers, 6);
  return bytes;
};
const question = (name: Buffer = nameBytes("a.example.com")) => Buffer.concat([name, Buffer.from([0, 1, 0, 1])]);
const record = (owner: Buffer, type: number, data: Buffer, dataBytes = data.length) => {
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(type, 0);
  fixed.writeUInt16BE(1, 2);
  fixed.writeUInt32BE(30, 4);
  fixed.writeUInt16BE(dataBytes, 8);
  return Buffer.concat([owner, fixed, data]);
};
/** A pointer to the question's name. */
const toQuestion = Buffer.from([0xc0, 12]);
const address = Buffer.from([192, 0, 2, 1]);

describe("a DNS answer", () => {
  it("is read with addresses of both families and aliases, whatever their capitals", () => {
    const message = dnsAnswer({
      name: "WWW.Example.com",
      records: [
        { name: "www.EXAMPLE.com", to: "CDN.example.net", ttlSeconds: 300 },
        { name: "cdn.example.net", to: "192.0.2.1", ttlSeconds: 5 },
        { name: "cdn.example.net", to: "2001:db8:0:0::1" },
      ],
    });
    expect(readDnsAnswer(message)).toEqual({
      name: "www.example.com",
      records: [
        { kind: "alias", name: "www.example.com", target: "cdn.example.net", ttlSeconds: 300 },
        { kind: "address", name: "cdn.example.net", address: "192.0.2.1", ttlSeconds: 5 },
        { kind: "address", name: "cdn.example.net", address: "2001:db8::1", ttlSeconds: 60 },
      ],
    });
  });

  it("may have compressed names, also after labels of their own and in what an alias leads to", () => {
    const alias = Buffer.concat([Buffer.from([3]), Buffer.from("www"), Buffer.from([0xc0, 14])]);
    const message = Buffer.concat([header(2), question(), record(toQuestion, 5, alias), record(alias, 1, address)]);
    expect(readDnsAnswer(message)?.records).toMatchObject([
      { name: "a.example.com", target: "www.example.com" },
      { name: "www.example.com", address: "192.0.2.1" },
    ]);
  });

  it("that was cut off gives what is whole of it", () => {
    const records = ["192.0.2.1", "192.0.2.2"].map((to) => ({ name: "a.example.com", to }));
    const message = dnsAnswer({ name: "a.example.com", records, flags: 0x8380 });
    const counts = Array.from({ length: message.length }, (_, end) => readDnsAnswer(message.subarray(0, end)));
    expect(counts.at(-1)?.records).toHaveLength(1);
    expect(counts[20]).toBeUndefined();
    expect(readDnsAnswer(message)?.records).toHaveLength(2);
  });

  it.each([
    ["a query", 0x0100],
    ["a refusal", 0x8185],
    ["a name that does not exist", 0x8183],
    ["another operation", 0xa180],
  ])("is not %s", (_what, flags) => {
    expect(
      readDnsAnswer(dnsAnswer({ name: "a.b", records: [{ name: "a.b", to: "192.0.2.1" }], flags })),
    ).toBeUndefined();
  });

  it.each<[string, Buffer]>([
    ["nothing", Buffer.alloc(0)],
    ["a header alone", header(1)],
    ["a question that points to itself", Buffer.concat([header(1), question(Buffer.from([0xc0, 12]))])],
    ["a question that points ahead", Buffer.concat([header(1), question(Buffer.from([0xc0, 40]))])],
    ["a question that points into the header", Buffer.concat([header(1), question(Buffer.from([1, 97, 0xc0, 0]))])],
    ["half a pointer", Buffer.concat([header(1), Buffer.from([1, 97, 0xc0])])],
    ["a reserved kind of label", Buffer.concat([header(1), question(Buffer.from([0x40, 97, 0]))])],
    ["a label longer than the message", Buffer.concat([header(1), Buffer.from([63, 97])])],
    ["a name that is too long", Buffer.concat([header(1), question(nameBytes(Array(128).fill("a").join(".")))])],
  ])("is not %s", (_what, message) => expect(readDnsAnswer(message)).toBeUndefined());

  it("is not led round by pointers", () => {
    // Two names that point to each other's beginning.
    const at = 12 + question().length;
    const round = record(Buffer.from([1, 98, 0xc0, at]), 1, address);
    expect(readDnsAnswer(Buffer.concat([header(1), question(), round]))?.records).toEqual([]);
  });

  it("is not led on and on by pointers to pointers", () => {
    const begin = 12 + question().length;
    // The first record's data, which isn't read: its first pointer leads to the question's name, each other to the one before.
    const chain = (pointers: number) => {
      const data = Buffer.alloc(2 * pointers);
      const first = begin + toQuestion.length + 10;
      for (let index = 0; index < pointers; index += 1) {
        data.writeUInt16BE(0xc000 | (index === 0 ? 12 : first + 2 * (index - 1)), 2 * index);
      }
      const last = Buffer.alloc(2);
      last.writeUInt16BE(0xc000 | (first + 2 * (pointers - 1)));
      return Buffer.concat([header(2), question(), record(toQuestion, 16, data), record(last, 1, address)]);
    };
    expect(readDnsAnswer(chain(20))?.records).toHaveLength(1);
    expect(readDnsAnswer(chain(5_000))?.records).toEqual([]);
  });

  it("ends at a record whose length lies, and passes over one of the wrong size", () => {
    const long = record(toQuestion, 1, address, 4_000);
    expect(readDnsAnswer(Buffer.concat([header(1), question(), long]))?.records).toEqual([]);
    const odd = record(toQuestion, 1, Buffer.concat([address, Buffer.from([1])]));
    const sound = record(toQuestion, 1, address);
    expect(readDnsAnswer(Buffer.concat([header(2), question(), odd, sound]))?.records).toHaveLength(1);
    // An alias whose name goes on beyond its record.
    const alias = record(toQuestion, 5, nameBytes("cdn.example.net"), 4);
    expect(readDnsAnswer(Buffer.concat([header(1), question(), alias]))?.records).toEqual([]);
  });

  it("does not take a label with a dot in it for two labels", () => {
    const owner = Buffer.concat([Buffer.from([13]), Buffer.from("a.example.com"), Buffer.from([0])]);
    const [found] = readDnsAnswer(Buffer.concat([header(1), question(), record(owner, 1, address)]))?.records ?? [];
    expect(found?.name).toBe("a\\46example\\46com");
  });

  it("counts a TTL with its highest bit set as none", () => {
    const message = dnsAnswer({ name: "a.b", records: [{ name: "a.b", to: "192.0.2.1", ttlSeconds: 0x80000001 }] });
    expect(readDnsAnswer(message)?.records).toMatchObject([{ ttlSeconds: 0 }]);
  });

  it("is read up to a bound, and never throws, whatever the bytes", () => {
    const many = Buffer.concat([header(65_535), question(), ...Array(3_000).fill(record(toQuestion, 1, address))]);
    expect(readDnsAnswer(many)?.records).toHaveLength(512);
    const sound = dnsAnswer({ name: "a.example.com", records: [{ name: "a.example.com", to: "192.0.2.1" }] });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        readDnsAnswer(Buffer.concat([header(9), Buffer.from(bytes)]));
      }),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255)), { maxLength: 4 }), (changes) => {
        const message = Buffer.from(sound);
        for (const [at, byte] of changes) message[at] = byte;
        readDnsAnswer(message);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("the question of a message", () => {
  it("is told by its number and name, in whatever capitals, of who asks and of who answers, a refusal too", () => {
    for (const [flags, isAnswer] of [
      [0x0100, false],
      [0x8180, true],
      [0x8183, true],
    ] as const) {
      const message = dnsAnswer({ id: 0xabcd, name: "WWW.Example.com", records: [], flags });
      expect(readDnsQuestion(message)).toEqual({ isAnswer, id: 0xabcd, name: "www.example.com" });
    }
  });

  it("is none where there are several, none, one of another kind, or one that is cut off", () => {
    const message = dnsAnswer({ name: "a.example.com", records: [], flags: 0x0100 });
    for (const [at, value] of [
      [2, 0x2800],
      [4, 0],
      [4, 2],
      [message.length - 2, 3],
    ] as const) {
      const other = Buffer.from(message);
      other.writeUInt16BE(value, at);
      expect(readDnsQuestion(other)).toBeUndefined();
    }
    for (let end = 0; end < message.length; end += 1) {
      expect(readDnsQuestion(message.subarray(0, end))).toBeUndefined();
    }
  });
});
