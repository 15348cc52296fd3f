import { type ChildProcess, spawn } from "node:child_process";

/** What may have changed; what it is now is for the listener to look up. */
export type NetworkChange = "link" | "address" | "route" | "rule";
const labels: readonly (readonly [string, NetworkChange])[] = [
  ["[LINK]", "link"],
  ["[ADDR]", "address"],
  ["[ROUTE]", "route"],
  ["[RULE]", "rule"],
];
const restartDelayMs = { min: 100, max: 10_000 } as const;

export interface NetworkWatchOptions {
  readonly logger?: { warn(fields: object, message: string): void };
}

/**
 * Tells when links, addresses, routes or routing rules of the own namespace change (`ip monitor`, rtnetlink(7) multicast groups).
 * A child process, since Node can't wait for a netlink socket: a thread blocked in recv(2) would take one of the pool's
 * four and keep the process from exiting. `setpriv --pdeathsig` ends the child also when this process is killed.
 * The listener is called once when the watch stands, and again with all kinds after the watch had to be restarted:
 * changes in between are not lost, only gathered.
 * @returns ends the watch
 */
export function watchNetwork(
  listener: (changes: ReadonlySet<NetworkChange>) => void,
  options: NetworkWatchOptions = {},
): () => void {
  let child: ChildProcess | undefined;
  let timer: NodeJS.Timeout | undefined;
  let delayMs: number = restartDelayMs.min;
  let ended = false;

  function start(): void {
    const monitor = spawn(
      "setpriv",
      ["--pdeathsig", "KILL", "--", "ip", "-oneline", "monitor", "label", "link", "address", "route", "rule"],
      { stdio: ["ignore", "pipe", "ignore"] },
    );
    child = monitor;
    let rest = "";
    monitor.stdout.setEncoding("utf8");
    monitor.stdout.on("data", (chunk: string) => {
      delayMs = restartDelayMs.min;
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      const changes = new Set(
        labels.filter(([label]) => lines.some((line) => line.includes(label))).map(([, change]) => change),
      );
      if (changes.size > 0 && !ended) listener(changes);
    });
    monitor.on("spawn", () => {
      if (!ended) listener(new Set(labels.map(([, change]) => change)));
    });
    monitor.on("error", (error) => again({ reason: error.message }));
    monitor.on("exit", (code, signal) => again({ code, signal }));
  }

  function again(fields: object): void {
    if (ended || timer !== undefined) return;
    options.logger?.warn({ ...fields, delayMs }, "the watch of links and addresses ended; it is started again");
    timer = setTimeout(() => {
      timer = undefined;
      start();
    }, delayMs);
    timer.unref();
    delayMs = Math.min(delayMs * 2, restartDelayMs.max);
  }

  start();
  return () => {
    ended = true;
    clearTimeout(timer);
    child?.kill("SIGKILL");
  };
}
