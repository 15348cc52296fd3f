import { CniFailure, cniErrorCodes } from "./error.ts";
import { runPlugin } from "./plugin.ts";

/** A network configuration is a few hundred bytes, with a GC list of every attachment some ten thousand. */
const longestStdinBytes = 4 << 20;
/** The runtime writes the configuration and closes the pipe at once. */
const stdinTimeoutMs = 10_000;

/** Reads stdin to its end, bounded in size and time. */
function readStdin(): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const fail = (code: number, message: string) => {
      clearTimeout(timer);
      process.stdin.destroy();
      reject(new CniFailure(code, message));
    };
    const timer = setTimeout(() => {
      fail(cniErrorCodes.inputOutput, `stdin was not closed within ${stdinTimeoutMs} ms`);
    }, stdinTimeoutMs);
    process.stdin.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      chunks.push(chunk);
      if (bytes > longestStdinBytes) {
        fail(cniErrorCodes.decoding, `the network configuration on stdin is longer than ${longestStdinBytes} bytes`);
      }
    });
    process.stdin.on("end", () => {
      clearTimeout(timer);
      resolve(Buffer.concat(chunks).toString("utf8"));
    });
    process.stdin.on("error", (error) => fail(cniErrorCodes.inputOutput, `stdin can't be read: ${error.message}`));
  });
}

runPlugin(process.env, readStdin).then(({ stdout, exitCode }) => {
  process.exitCode = exitCode;
  // Exit only when stdout has taken the whole answer: it may be a pipe that is read slowly.
  process.stdout.write(stdout, () => process.exit());
});
