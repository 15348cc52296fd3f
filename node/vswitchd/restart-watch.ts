import { type FSWatcher, statSync, watch } from "node:fs";
import { basename, dirname } from "node:path";
import type { Logger } from "../logger.ts";

/**
 * Tells when vswitchd has (re)made a bridge's control socket, which it does at each start: the bridge's flows are gone
 * then, whatever the datapath, and nothing in the database says so. A folder that is not there yet, or is made anew (as a
 * service manager may do at a restart), is waited for.
 * @param rundir where vswitchd has its sockets
 * @returns ends the watch
 */
export function watchBridgeSocket(rundir: string, bridge: string, listener: () => void, logger: Logger): () => void {
  const socket = `${bridge}.mgmt`;
  let watcher: FSWatcher | undefined;

  function follow(folder: string, react: (name: string | null) => void): void {
    watcher?.close();
    watcher = watch(folder, (_, name) => react(name));
    watcher.on("error", (error) => logger.warn({ err: error, rundir }, "restarts of vswitchd are no longer seen"));
  }

  function followRundir(): void {
    const watched = identityOf(rundir);
    if (watched === undefined) {
      awaitRundir();
      return;
    }
    follow(rundir, (name) => {
      if (name === socket) listener();
      // A watch stays with the folder that it was made for, also when that is gone.
      if (identityOf(rundir) !== watched) resume();
    });
  }

  function awaitRundir(): void {
    follow(dirname(rundir), (name) => {
      if (name === basename(rundir) && identityOf(rundir) !== undefined) resume();
    });
    if (identityOf(rundir) !== undefined) resume();
  }

  /** What happened meanwhile was not seen: it is looked at as if vswitchd had restarted. */
  function resume(): void {
    const isThere = identityOf(rundir) !== undefined;
    followRundir();
    if (isThere) listener();
  }

  try {
    followRundir();
  } catch (error) {
    logger.warn({ err: error, rundir }, "the folder of vswitchd's sockets can't be watched");
  }
  return () => watcher?.close();
}

/** Tells a folder from one that was there under the same name; numbers of inodes are used again. */
function identityOf(path: string): string | undefined {
  const stats = statSync(path, { throwIfNoEntry: false, bigint: true });
  return stats === undefined ? undefined : `${stats.ino} ${stats.birthtimeNs}`;
}
