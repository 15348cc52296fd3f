import { existsSync, watch } from "node:fs";
import { connect } from "node:net";
import { basename, dirname } from "node:path";

export interface Waiting {
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

/** A socket's file appears at bind(2) and answers from listen(2) on, of which inotify says nothing: ask again this soon. */
const afterBindMs = 10;

/**
 * Waits until `test` holds for `path`, woken by what happens in its folder (inotify).
 * @param test asked when the path appears or is touched, and shortly after while it exists but does not satisfy
 */
export function waitForPath(
  path: string,
  test: (path: string) => Promise<boolean>,
  { signal, timeoutMs }: Waiting,
): Promise<"yes" | "aborted" | "timed out"> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return resolve("aborted");
    let asking = false;
    let again = false;
    let finished = false;
    let retry: NodeJS.Timeout | undefined;
    const watcher = watch(dirname(path), (_event, file) => {
      if (file === null || file === basename(path)) ask();
    });
    const timer = setTimeout(() => finish("timed out"), timeoutMs);
    const aborted = () => finish("aborted");
    signal.addEventListener("abort", aborted, { once: true });
    watcher.once("error", (error) => {
      finish("aborted");
      reject(error);
    });

    function finish(outcome: "yes" | "aborted" | "timed out"): void {
      finished = true;
      watcher.close();
      clearTimeout(timer);
      clearTimeout(retry);
      signal.removeEventListener("abort", aborted);
      resolve(outcome);
    }
    function ask(): void {
      if (asking) {
        again = true;
        return;
      }
      asking = true;
      test(path).then((holds) => {
        asking = false;
        if (finished) return;
        if (holds) return finish("yes");
        if (again) {
          again = false;
          ask();
        } else if (existsSync(path)) {
          clearTimeout(retry);
          retry = setTimeout(ask, afterBindMs);
        }
      }, reject);
    }
    ask();
  });
}

/** Whether something accepts connections on the unix socket `path`. */
export function socketAnswers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
