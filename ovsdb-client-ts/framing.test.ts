import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OvsdbError, type OvsdbErrorCode } from "./errors.ts";
import { createFramer, type FramerOptions } from "./framing.ts";
import { parseExact } from "./json.ts";

function feed(chunks: readonly Buffer[], options: Partial<FramerOptions> = {}): unknown[] {
  const messages: unknown[] = [];
  const framer = createFramer({ maxMessageBytes: 1 << 20, onMessage: (message) => messages.push(message), ...options });
  for (const chunk of chunks) framer.push(chunk);
  return messages;
}

function codeOf(act: () => void): OvsdbErrorCode | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    if (error instanceof OvsdbError) return error.code;
    throw error;
  }
}

function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].toSorted((a, b) => a - b);
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
}

/** Any JSON that the protocol could carry; -0 has no JSON form. */
const json = fc.jsonValue({ maxDepth: 6 }).map((value) => JSON.parse(JSON.stringify(value)) as unknown);
const message = fc.dictionary(fc.string({ unit: "grapheme" }), json);
const separator = fc.constantFrom("", " ", "\n", "\r\n\t ");
const stream = fc.array(fc.tuple(message, separator), { maxLength: 6 });
const cuts = fc.array(fc.nat(), { maxLength: 40 });

describe("framing", () => {
  for (const pieceThresholdBytes of [1 << 20, 1]) {
    it(`gives back every message, wherever the stream is cut${pieceThresholdBytes === 1 ? ", also piece by piece" : ""}`, () => {
      fc.assert(
        fc.property(stream, cuts, (messages, at) => {
          const text = messages.map(([value, space]) => JSON.stringify(value) + space).join("");
          const expected = messages.map(([value]) => parseExact(JSON.stringify(value)));
          expect(feed(split(Buffer.from(text), at), { pieceThresholdBytes })).toEqual(expected);
        }),
        { numRuns: 500 },
      );
    });

    it(`ends in an error with a code for any bytes at all (threshold ${pieceThresholdBytes})`, () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 200 }), cuts, (bytes, at) => {
          const code = codeOf(() => feed(split(Buffer.from(bytes), at), { pieceThresholdBytes }));
          return code === undefined || code === "MALFORMED_MESSAGE";
        }),
      );
    });

    it(`takes damaged JSON as JSON.parse does (threshold ${pieceThresholdBytes})`, () => {
      fc.assert(
        fc.property(message, fc.nat(), fc.constantFrom(...'{}[],:"\\0a '), cuts, (value, position, character, at) => {
          const text = JSON.stringify(value);
          const index = position % text.length;
          const damaged = (text.slice(0, index) + character + text.slice(index + 1)).toWellFormed();
          let valid = true;
          try {
            const parsed: unknown = JSON.parse(damaged);
            valid = typeof parsed === "object" && !Array.isArray(parsed);
          } catch {
            valid = false;
          }
          const seen: unknown[] = [];
          const code = codeOf(() =>
            feed(split(Buffer.from(damaged), at), { pieceThresholdBytes, onMessage: (item) => seen.push(item) }),
          );
          // Damage may cut the text into one good message and a rest, or leave it wanting more; it never changes a message's meaning.
          if (valid) expect(seen).toEqual([parseExact(damaged)]);
          else expect([undefined, "MALFORMED_MESSAGE"]).toContain(code);
        }),
        { numRuns: 500 },
      );
    });

    it(`keeps integers of 64 bits exact (threshold ${pieceThresholdBytes})`, () => {
      fc.assert(
        fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), cuts, (value, at) => {
          const bytes = Buffer.from(`{"id":1,"result":[[[[[${value},0.12345678901234567890,1]]]]],"n":${value}}`);
          const [parsed] = feed(split(bytes, at), { pieceThresholdBytes }) as [{ n: unknown; result: unknown }];
          const exact = value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
          expect(parsed.n).toBe(exact);
          expect(parsed.result).toEqual([[[[[exact, 0.12345678901234568, 1]]]]]);
        }),
      );
    });
  }

  it("does not cut a character in two", () => {
    const bytes = Buffer.from('{"name":"Ovenbird 🐦 für ö"}');
    expect(feed(Array.from(bytes, (byte) => Buffer.from([byte])))).toEqual([{ name: "Ovenbird 🐦 für ö" }]);
  });

  it("refuses a message larger than the bound, before it is complete", () => {
    const chunk = Buffer.from(`{"a":"${"x".repeat(1000)}`);
    expect(codeOf(() => feed([chunk], { maxMessageBytes: 500 }))).toBe("MESSAGE_TOO_LARGE");
    const more = [chunk, ...Array.from({ length: 100 }, () => Buffer.from("y".repeat(1000)))];
    expect(codeOf(() => feed(more, { maxMessageBytes: 50_000, pieceThresholdBytes: 1 }))).toBe("MESSAGE_TOO_LARGE");
  });

  it("refuses endless nesting", () => {
    const deep = Buffer.from(`{"a":${"[".repeat(10_000)}`);
    expect(codeOf(() => feed([deep]))).toBe("NESTING_TOO_DEEP");
    expect(codeOf(() => feed([deep.subarray(0, 4), deep.subarray(4)], { pieceThresholdBytes: 1 }))).toBe(
      "NESTING_TOO_DEEP",
    );
  });

  it("refuses endless numbers", () => {
    const digits = Buffer.from(`{"a":${"1".repeat(10_000)}`);
    expect(codeOf(() => feed([digits]))).toBe("MALFORMED_MESSAGE");
    expect(codeOf(() => feed([digits.subarray(0, 4), digits.subarray(4)], { pieceThresholdBytes: 1 }))).toBe(
      "MALFORMED_MESSAGE",
    );
  });

  it("shows each piece with its path before the message is complete", () => {
    const seen: unknown[] = [];
    const text =
      '{"id":7,"result":[false,"t",{"Table":{"row-1":{"initial":{"a":1}},"row-2":{"initial":{"a":2}}}}],"error":null}';
    const messages = feed([Buffer.from(text.slice(0, 60)), Buffer.from(text.slice(60))], {
      pieceThresholdBytes: 1,
      onPiece(piece, frames) {
        if (frames.length < 4) return piece;
        seen.push([frames.map(({ key }) => key), piece]);
        return "taken";
      },
    });
    expect(seen).toEqual([
      [["result", 2, "Table", "row-1"], { initial: { a: 1 } }],
      [["result", 2, "Table", "row-2"], { initial: { a: 2 } }],
    ]);
    expect(messages).toEqual([
      { id: 7, result: [false, "t", { Table: { "row-1": "taken", "row-2": "taken" } }], error: null },
    ]);
  });
});
