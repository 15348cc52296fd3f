import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { readObjects } from "./read-objects.ts";

const read = (text: string) => readObjects("-", Readable.from([text]));

describe("objects", () => {
  it("are all documents that aren't empty, YAML or JSON", async () => {
    expect(await read("a: 1\n---\n# nothing\n---\nb: {c: [2]}\n")).toEqual([{ a: 1 }, { b: { c: [2] } }]);
    expect(await read('{"a": 1}')).toEqual([{ a: 1 }]);
  });

  it.each([
    ["nothing", "# nothing\n"],
    ["bad YAML", "a: [1\n"],
    ["a list", "- a\n"],
  ])("of %s are refused", async (_what, text) => {
    await expect(read(text)).rejects.toMatchObject({ code: "FILE_UNREADABLE" });
  });

  it("of a file that isn't there are refused", async () => {
    await expect(readObjects("/nonexistent/policy.yaml")).rejects.toMatchObject({ code: "FILE_UNREADABLE" });
  });

  it("don't grow without end by aliases", async () => {
    const bomb = Array.from(
      { length: 12 },
      (_, i) =>
        `x${i}: &x${i} [${
          i === 0
            ? "1"
            : Array(9)
                .fill(`*x${i - 1}`)
                .join(",")
        }]`,
    );
    await expect(read(`${bomb.join("\n")}\n`)).rejects.toMatchObject({ code: "FILE_UNREADABLE" });
  });
});
