import { createReadStream } from "node:fs";
import { type FileHandle, open, stat, watch } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { createInterface } from "node:readline";
import { StringDecoder } from "node:string_decoder";
import { CliError } from "./cli-error.ts";

function unreadable(path: string, error: unknown): CliError {
  return new CliError("FILE_UNREADABLE", `${path}: ${error instanceof Error ? error.message : String(error)}`);
}

/** The lines of a file as it is now. @throws CliError FILE_UNREADABLE */
export async function* linesOf(path: string): AsyncGenerator<string> {
  try {
    yield* createInterface({ input: createReadStream(path, "utf8"), crlfDelay: Number.POSITIVE_INFINITY });
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** Longer lines are cut into pieces: nothing of ours is that long. */
const maxLineCharacters = 1 << 20;

/**
 * The lines of a file, and then those that are added to it, also when it is rotated or cut short meanwhile; ends with the signal.
 * @throws CliError FILE_UNREADABLE
 */
export async function* followedLines(path: string, signal: AbortSignal): AsyncGenerator<string> {
  const buffer = Buffer.alloc(64 << 10);
  let decoder = new StringDecoder("utf8");
  let pending = "";
  let position = 0;
  let file: FileHandle;

  async function* rest(): AsyncGenerator<string> {
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
      if (bytesRead === 0) return;
      position += bytesRead;
      pending += decoder.write(buffer.subarray(0, bytesRead));
      const lines = pending.split("\n");
      pending = lines.pop() ?? "";
      yield* lines;
      if (pending.length > maxLineCharacters) pending = "";
    }
  }

  function startOver(): void {
    position = 0;
    pending = "";
    decoder = new StringDecoder("utf8");
  }

  try {
    // Watched before it is read, so that no line falls between.
    const events = watch(dirname(path), { signal });
    file = await open(path);
    try {
      yield* rest();
      for await (const { filename } of events) {
        if (filename !== null && filename !== basename(path)) continue;
        const [now, held] = [await stat(path).catch(() => undefined), await file.stat()];
        if (now?.ino === held.ino && held.size < position) startOver();
        yield* rest();
        if (now === undefined || now.ino === held.ino) continue;
        await file.close();
        file = await open(path);
        startOver();
        yield* rest();
      }
    } finally {
      await file.close();
    }
  } catch (error) {
    if (signal.aborted) return;
    throw unreadable(path, error);
  }
}

/** Lines of several sources in the order of their times, which each has in order; `timeOf` gives text that sorts as time. */
export async function* inOrder<T>(
  sources: readonly AsyncIterable<T>[],
  timeOf: (value: T) => string,
): AsyncGenerator<T> {
  const heads: { readonly iterator: AsyncIterator<T>; value: T }[] = [];
  for (const source of sources) {
    const iterator = source[Symbol.asyncIterator]();
    const first = await iterator.next();
    if (first.done !== true) heads.push({ iterator, value: first.value });
  }
  while (heads.length > 0) {
    const least = heads.reduce((best, head) => (timeOf(head.value) < timeOf(best.value) ? head : best));
    yield least.value;
    const next = await least.iterator.next();
    if (next.done === true) heads.splice(heads.indexOf(least), 1);
    else least.value = next.value;
  }
}

/** What several sources give, as it comes. */
export async function* asTheyCome<T>(sources: readonly AsyncIterable<T>[]): AsyncGenerator<T> {
  const waiting = new Map(
    sources.map((source) => {
      const iterator = source[Symbol.asyncIterator]();
      return [iterator, nextOf(iterator)] as const;
    }),
  );
  while (waiting.size > 0) {
    const { iterator, result } = await Promise.race(waiting.values());
    if (result.done === true) {
      waiting.delete(iterator);
      continue;
    }
    waiting.set(iterator, nextOf(iterator));
    yield result.value;
  }
}

async function nextOf<T>(iterator: AsyncIterator<T>) {
  return { iterator, result: await iterator.next() };
}
