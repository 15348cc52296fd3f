import { appendFile, mkdtemp, rename, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { asTheyCome, followedLines, inOrder, linesOf } from "./read-lines.ts";

let folder: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp("/tmp/ovenbird-lines-");
  file = join(folder, "a.log");
});
afterEach(() => rm(folder, { recursive: true }));

describe("lines", () => {
  it("of a file that is not there are an error with a code", async () => {
    await expect(linesOf(file).next()).rejects.toMatchObject({ code: "FILE_UNREADABLE" });
    await expect(followedLines(file, new AbortController().signal).next()).rejects.toMatchObject({
      code: "FILE_UNREADABLE",
    });
  });

  it("are followed while they are added, over rotation and truncation, until the signal", async () => {
    await writeFile(file, "one\n");
    const stop = new AbortController();
    const lines = followedLines(file, stop.signal);
    const next = async () => (await lines.next()).value;
    expect(await next()).toBe("one");
    const second = next();
    await appendFile(file, "tw");
    await appendFile(file, "o\nthree\n");
    expect(await second).toBe("two");
    expect(await next()).toBe("three");
    const fourth = next();
    await rename(file, join(folder, "a.log.1"));
    await writeFile(file, "four\n");
    expect(await fourth).toBe("four");
    const fifth = next();
    await truncate(file);
    await appendFile(file, "5\n");
    expect(await fifth).toBe("5");
    const end = lines.next();
    stop.abort();
    expect((await end).done).toBe(true);
  });

  it("are followed into a file that took the place of the first before that was read to its end", async () => {
    await writeFile(file, "one\ntwo\n");
    const stop = new AbortController();
    const lines = followedLines(file, stop.signal);
    expect((await lines.next()).value).toBe("one");
    await rename(file, join(folder, "a.log.1"));
    await writeFile(file, "three\n");
    expect((await lines.next()).value).toBe("two");
    expect((await lines.next()).value).toBe("three");
    stop.abort();
    expect((await lines.next()).done).toBe(true);
  });

  async function all(values: AsyncIterable<string>): Promise<string[]> {
    const found: string[] = [];
    for await (const value of values) found.push(value);
    return found;
  }

  async function* list(...values: readonly string[]) {
    yield* values;
  }

  it("of several files come in the order of their times", async () => {
    const merged = inOrder([list("1", "4", "5"), list(), list("2", "3", "6")], (value) => value);
    expect(await all(merged)).toEqual(["1", "2", "3", "4", "5", "6"]);
  });

  it("of several files that are followed come as they are written", async () => {
    expect((await all(asTheyCome([list("1", "2"), list("3")]))).sort()).toEqual(["1", "2", "3"]);
    const last = Promise.withResolvers<string>();
    async function* slow() {
      yield await last.promise;
    }
    const both = asTheyCome([slow(), list("1", "2")]);
    expect([await both.next(), await both.next()].map(({ value }) => value)).toEqual(["1", "2"]);
    last.resolve("3");
    expect(await both.next()).toMatchObject({ value: "3" });
    expect((await both.next()).done).toBe(true);
  });

  it("of several files end when one can't be read", async () => {
    await writeFile(file, "");
    const stop = new AbortController();
    const sources = [followedLines(file, stop.signal), followedLines(join(folder, "none"), stop.signal)];
    await expect(all(asTheyCome(sources))).rejects.toMatchObject({ code: "FILE_UNREADABLE" });
    stop.abort();
  });
});
