import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";

/** Longer than vswitchd takes for all the connections that it can track. */
const timeoutMs = 10_000;
/** A line that is longer is none that anybody asked for. */
const longestLine = 64 * 1024;

const resultBegins = '"result":"';

/**
 * Asks vswitchd what `ovs-appctl` asks, over the same control socket (ovs-appctl(8)), without a process of its own. The
 * answer is read as it is taken, never held as a whole: a node may track a million connections.
 * @param rundir where vswitchd has its pid file and sockets
 * @returns the lines of the answer, which bear no quotes or escapes, some at a time
 * @throws Error with what vswitchd said
 */
export async function* askVswitchd(
  rundir: string,
  method: string,
  params: readonly string[],
): AsyncGenerator<readonly string[]> {
  const pid = (await readFile(join(rundir, "ovs-vswitchd.pid"), "utf8")).trim();
  const socket = connect(join(rundir, `ovs-vswitchd.${pid}.ctl`));
  socket.setEncoding("latin1");
  socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`no answer to ${method} in time`)));
  socket.write(JSON.stringify({ id: 0, method, params }));
  let text = "";
  let isResult = false;
  try {
    for await (const chunk of socket) {
      text += String(chunk);
      if (!isResult) {
        const begin = text.indexOf(resultBegins);
        if (begin < 0) {
          if (/"error":"[^"]*"/.test(text) || text.length > longestLine)
            throw new Error(`vswitchd's ${method}: ${text.slice(0, 500)}`);
          continue;
        }
        isResult = true;
        text = text.slice(begin + resultBegins.length);
      }
      const quote = text.indexOf('"');
      const lines = (quote < 0 ? text : text.slice(0, quote)).split("\\n");
      text = lines.pop() ?? "";
      if (text.length > longestLine) throw new Error(`vswitchd's ${method}: a line is too long`);
      yield lines;
      if (quote < 0) continue;
      if (text !== "") yield [text];
      return;
    }
    throw new Error(`vswitchd's ${method}: the connection was closed`);
  } finally {
    socket.destroy();
  }
}
