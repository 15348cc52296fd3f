import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createDaemon, type Daemon, type DaemonSpec, type DaemonState } from "./daemon.ts";
import { markedProcesses } from "./teardown.ts";

let folder: string;
let daemons: Daemon[];
let heard: () => void;
const exits: string[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "daemon-"));
  mkdirSync(join(folder, "pids"));
  mkdirSync(join(folder, "logs"));
  daemons = [];
  exits.length = 0;
  heard = () => undefined;
});
afterEach(() => {
  for (const daemon of daemons) daemon.stop();
  rmSync(folder, { recursive: true });
});

function daemon(spec: Pick<DaemonSpec, "name" | "command"> & Partial<DaemonSpec>): Daemon {
  const made = createDaemon(
    { ready: { kind: "started" }, after: [], ...spec },
    {
      labMark: folder,
      folders: { pids: join(folder, "pids"), logs: join(folder, "logs") },
      awaitReady: () => Promise.resolve(),
      changed: () => heard(),
      exited: ({ spec: { name } }, why) => exits.push(`${name} ${why}`),
    },
  );
  daemons.push(made);
  made.start();
  return made;
}

function reaches(made: Daemon, state: DaemonState, restarts = 0): Promise<void> {
  return new Promise((resolve) => {
    heard = () => {
      const status = made.status();
      if (status.state === state && status.restarts >= restarts) resolve();
    };
    heard();
  });
}

describe("a daemon", () => {
  it("is ready when its socket answers, and not before", async () => {
    const path = join(folder, "s.sock");
    const program = `setTimeout(() => require("net").createServer().listen(${JSON.stringify(path)}), 100)`;
    const made = daemon({
      name: "server",
      command: [process.execPath, "-e", program],
      ready: { kind: "socket", path },
    });
    await reaches(made, "starting");
    await reaches(made, "ready");
    expect(Number(readFileSync(join(folder, "pids", "server"), "utf8"))).toBe(made.status().pid);
  });

  it("that is killed runs again under another pid", async () => {
    const made = daemon({ name: "sleeper", command: ["sleep", "1000"] });
    await reaches(made, "ready");
    const { pid } = made.status();
    made.kill();
    await reaches(made, "ready", 1);
    expect(made.status().pid).not.toBe(pid);
    expect(exits[0]).toContain("was ended by SIGKILL");
  });

  it("that keeps ending is restarted ever more slowly, and says what it said last", async () => {
    const made = daemon({ name: "crasher", command: ["sh", "-c", "echo 'Error: no luck' >&2; exit 3"] });
    const startedAt = performance.now();
    await reaches(made, "backoff", 4);
    expect(performance.now() - startedAt).toBeGreaterThan(100 + 200);
    expect(exits[0]).toBe("crasher exited with status 3; Error: no luck");
  });

  it("and its children carry the lab's mark, by which they are found", async () => {
    const made = daemon({ name: "parent", command: ["sh", "-c", "sleep 1000 & wait"] });
    await reaches(made, "ready");
    expect(markedProcesses(folder)).toContain(made.status().pid);
  });
});
