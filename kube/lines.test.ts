import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createLineSplitter } from "./lines.ts";

function linesOf(chunks: readonly Buffer[], maxLineBytes = 1 << 20): string[] {
  const lines: string[] = [];
  const push = createLineSplitter(maxLineBytes, (line) => lines.push(line.toString("utf8")));
  for (const chunk of chunks) push(chunk);
  return lines;
}

describe("lines", () => {
  it("are the same however the bytes are cut", () => {
    const line = fc.string({ unit: "grapheme", minLength: 1 }).filter((text) => !/[\r\n]/.test(text));
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.nat()), (lines, cuts) => {
        const bytes = Buffer.from(lines.map((text) => `${text}\n`).join(""));
        const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
        const chunks = at.slice(1).map((end, index) => bytes.subarray(at[index], end));
        expect(linesOf(chunks)).toEqual(lines);
      }),
    );
  });

  it("may end in CRLF, and empty ones are passed over", () => {
    expect(linesOf([Buffer.from("a\r\n\r\n\nb\r"), Buffer.from("\nc")])).toEqual(["a", "b"]);
  });

  it("beyond the bound are refused, whole or growing", () => {
    expect(() => linesOf([Buffer.from("12345\n")], 4)).toThrow("a line of more than 4 bytes");
    expect(() => linesOf([Buffer.from("123"), Buffer.from("45")], 4)).toThrow("a line of more than 4 bytes");
    expect(linesOf([Buffer.from("1234\n12"), Buffer.from("34\n")], 4)).toEqual(["1234", "1234"]);
  });
});
