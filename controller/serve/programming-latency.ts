import type { OvnSouthbound } from "@ovenbird/ovsdb-schemas";
import { type Client, OvsdbError } from "ovsdb-client-ts";
import type { DesiredRow } from "../translate/desired.ts";

export interface ProgrammingLatencyOptions {
  readonly southbound: Client<OvnSouthbound>;
  /** The rows that a service has now, by its key. */
  readonly rowsOf: (service: string) => readonly DesiredRow[];
  readonly observe: (stage: "northbound" | "southbound", latencyMs: number) => void;
  /** Least time between two samples of the southbound database; default 1,000 ms. */
  readonly sampleEveryMs?: number;
  /** How long a sample waits for northd; default 30,000 ms. */
  readonly patienceMs?: number;
}

/**
 * How long a change of endpoints takes until load balancers have it. Every change is timed up to its northbound commit;
 * one at a time is followed to the southbound database, where `wait` (RFC 7047 section 5.2.6) makes the server say when
 * northd has written the row. So nothing is polled, replicated or bumped for it.
 */
export interface ProgrammingLatency {
  /** What was triggered then (milliseconds since 1970) is committed to the northbound database. */
  committed(service: string, triggeredAtMs: number): void;
  close(): void;
}

export function createProgrammingLatency(options: ProgrammingLatencyOptions): ProgrammingLatency {
  const { southbound, rowsOf, observe, sampleEveryMs = 1_000, patienceMs = 30_000 } = options;
  const abort = new AbortController();
  let isSampling = false;
  let sampledAt = Number.NEGATIVE_INFINITY;

  const since = (triggeredAtMs: number): number => Math.max(0, Date.now() - triggeredAtMs);

  async function sample(row: DesiredRow, triggeredAtMs: number): Promise<void> {
    const { name, vips } = row.columns;
    const entries = Object.entries(vips as Readonly<Record<string, string>>);
    await southbound.transact(
      [
        {
          op: "wait",
          table: "Load_Balancer",
          where: [["name", "==", String(name)]],
          columns: ["vips"],
          until: "==",
          rows: [{ vips: ["map", entries] }],
          timeout: patienceMs,
        },
      ],
      { signal: abort.signal, timeoutMs: patienceMs + 5_000 },
    );
    observe("southbound", since(triggeredAtMs));
  }

  return {
    committed(service, triggeredAtMs) {
      observe("northbound", since(triggeredAtMs));
      if (isSampling || southbound.state !== "connected" || performance.now() - sampledAt < sampleEveryMs) return;
      const row = rowsOf(service).find(({ table }) => table === "Load_Balancer");
      if (row === undefined) return;
      isSampling = true;
      sample(row, triggeredAtMs)
        .catch((error: unknown) => {
          // Changed again before northd came to it, or the connection went: there is just no sample.
          if (!(error instanceof OvsdbError) && !abort.signal.aborted) throw error;
        })
        .finally(() => {
          isSampling = false;
          sampledAt = performance.now();
        });
    },
    close: () => abort.abort(),
  };
}
