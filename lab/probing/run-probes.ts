import { sendProbes } from "../control/client.ts";
import type { ControlProbe } from "../control/protocol.ts";
import { type Layout, outsideHosts, paths } from "../topology/layout.ts";
import type { Probe, ProbeOutcome } from "./probe-spec.ts";
import { createWhereabouts, type Whereabouts } from "./whereabouts.ts";

/** Per host: more would measure the machine's queues instead of the network. */
const probesAtOnce = 500;

/**
 * Sends probes, up to 500 at once from each host, by the long-lived prober of the host on which they begin.
 * @returns the outcomes in the order of the probes; what can't be sent is an outcome too (`error`)
 */
export async function runProbes(layout: Layout, probes: readonly Probe[]): Promise<readonly ProbeOutcome[]> {
  const where = createWhereabouts(layout);
  try {
    const outcomes = new Array<ProbeOutcome>(probes.length);
    const bySocket = new Map<string, { readonly index: number; readonly probe: ControlProbe }[]>();
    await Promise.all(
      probes.map(async (probe, index) => {
        try {
          const { socket, request } = await resolve(layout, where, probe);
          const batch = bySocket.get(socket) ?? [];
          bySocket.set(socket, batch);
          batch.push({ index, probe: request });
        } catch (error) {
          outcomes[index] = { verdict: "error", error: error instanceof Error ? error.message : String(error) };
        }
      }),
    );
    await Promise.all(
      [...bySocket].map(async ([socket, batch]) => {
        for (let start = 0; start < batch.length; start += probesAtOnce) {
          const part = batch.slice(start, start + probesAtOnce);
          const results = await ask(socket, part);
          for (const [position, { index }] of part.entries())
            outcomes[index] = results[position] ?? { verdict: "error", error: "the prober gave no answer" };
        }
      }),
    );
    return outcomes;
  } finally {
    await where.close();
  }
}

async function ask(
  socket: string,
  batch: readonly { readonly probe: ControlProbe }[],
): Promise<readonly ProbeOutcome[]> {
  try {
    return await sendProbes(
      socket,
      batch.map(({ probe }) => probe),
    );
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return batch.map(() => ({ verdict: "error", error: `the prober at ${socket} can't be asked: ${message}` }));
  }
}

async function resolve(
  layout: Layout,
  where: Whereabouts,
  { from, to, port, protocol, family, timeoutMs }: Probe,
): Promise<{ readonly socket: string; readonly request: ControlProbe }> {
  const origin = where.host(from);
  // One prober serves all hosts that are not the cluster's.
  const isOutside = origin !== undefined && outsideHosts(layout).includes(origin);
  const host = isOutside ? layout.outside : (origin ?? (await where.pod(from)).host);
  const target = await where.target(to, family);
  const wantedPort = port ?? target.port;
  const request: ControlProbe = {
    from: isOutside ? origin.name : origin === undefined ? from : "host",
    to: target.address,
    protocol,
    timeoutMs,
    ...(wantedPort === undefined ? {} : { port: wantedPort }),
  };
  return { socket: paths(layout.folder).controlSocket(host), request };
}
