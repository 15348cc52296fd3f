import { createReadStream, watch } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
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

/**
 * Tells when something has happened to a file, or in its place, since it was asked last. It watches from the call on,
 * unlike `watch` of `node:fs/promises`, which begins when the first event is waited for.
 */
function changesOf(path: string, signal: AbortSignal) {
  let news = Promise.withResolvers<void>();
  let problem: Error | undefined;
  const watcher = watch(dirname(path), (_, name) => {
    if (name === null || name === basename(path)) news.resolve();
  });
  watcher.on("error", (error) => {
    problem = error;
    news.resolve();
  });
  const stop = () => news.resolve();
  signal.addEventListener("abort", stop);
  return {
    /** @returns false when the signal has come. @throws Error when the folder can't be watched any more */
    async next(): Promise<boolean> {
      if (!signal.aborted) await news.promise;
      if (problem !== undefined) throw problem;
      news = Promise.withResolvers();
      return !signal.aborted;
    },
    close() {
      signal.removeEventListener("abort", stop);
      watcher.close();
    },
  };
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
    const changes = changesOf(path, signal);
    try {
      file = await open(path);
      try {
        yield* rest();
        while (await changes.next()) {
          const [now, held] = [await stat(path).catch(() => undefined), await file.stat()];
          if (now?.ino === held.ino && held.size < position) startOver();
          yield* rest();
          if (now === undefined || now.ino === held.ino) continue;
          const next = await open(path);
          await file.close();
          file = next;
          startOver();
          yield* rest();
        }
      } finally {
        await file.close();
      }
    } finally {
      changes.close();
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
  /** At most one of each source. Not a race of promises: each would remember every race that it has lost. */
  const arrived: (() => { readonly iterator: AsyncIterator<T>; readonly result: IteratorResult<T> })[] = [];
  let news = Promise.withResolvers<void>();
  const arrive = (take: (typeof arrived)[number]) => {
    arrived.push(take);
    news.resolve();
  };
  const ask = (iterator: AsyncIterator<T>) => {
    iterator.next().then(
      (result) => arrive(() => ({ iterator, result })),
      (error: unknown) =>
        arrive(() => {
          throw error;
        }),
    );
  };
  let open = sources.length;
  for (const source of sources) ask(source[Symbol.asyncIterator]());
  while (open > 0) {
    const take = arrived.shift();
    if (take === undefined) {
      await news.promise;
      news = Promise.withResolvers();
      continue;
    }
    const { iterator, result } = take();
    if (result.done === true) open -= 1;
    else {
      ask(iterator);
      yield result.value;
    }
  }
}
