import { watch } from "node:fs";
import type { Logger } from "../logger.ts";

/**
 * Tells when vswitchd has (re)made a bridge's control socket, which it does at each start: the bridge's flows are gone
 * then, whatever the datapath, and nothing in the database says so.
 * @param rundir where vswitchd has its sockets
 * @returns ends the watch
 */
export function watchBridgeSocket(rundir: string, bridge: string, listener: () => void, logger: Logger): () => void {
  const socket = `${bridge}.mgmt`;
  try {
    const watcher = watch(rundir, (_, name) => {
      if (name === socket) listener();
    });
    watcher.on("error", (error) => logger.warn({ err: error, rundir }, "restarts of vswitchd are no longer seen"));
    return () => watcher.close();
  } catch (error) {
    logger.warn({ err: error, rundir }, "the folder of vswitchd's sockets can't be watched");
    return () => undefined;
  }
}
