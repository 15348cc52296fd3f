import { request } from "node:http";
import type { ControlProbe, ControlResult } from "./protocol.ts";

/**
 * Has probes sent by the prober that listens on `socket`.
 * @returns the results in the order of the probes
 * @throws Error when nothing listens or the prober refuses the request
 */
export function sendProbes(socket: string, probes: readonly ControlProbe[]): Promise<readonly ControlResult[]> {
  return new Promise((resolve, reject) => {
    const call = request(
      { socketPath: socket, method: "POST", path: "/probes", headers: { "content-type": "application/json" } },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString();
          if (response.statusCode === 200) resolve(JSON.parse(text) as ControlResult[]);
          else reject(new Error(`probes were refused: ${text}`));
        });
      },
    );
    call.on("error", reject);
    call.end(JSON.stringify(probes));
  });
}
