import { createClient, type Replica, type UntypedModel } from "ovsdb-client-ts";
import type { OvsdbServer } from "ovsdb-client-ts/testing";
import { managedTables, replicaSpec } from "./apply/managed-columns.ts";
import { createEngine, type Engine, type EventSources } from "./engine.ts";
import { parseNetworkConfig } from "./ipam/network-config.ts";

/** An engine at work on a server, with what the benches count of it. */
export interface BenchEngine<Sources> {
  readonly engine: Engine;
  readonly replica: Replica<UntypedModel>;
  /** Where the watch events come from. */
  readonly sources: Sources;
  /** By kind and table, such as `insert ACL`. */
  readonly operations: Map<string, number>;
  transactions: number;
  onCommitted: ((owner: string) => void) | undefined;
  stop(): Promise<void>;
}

/** Room for 8,192 nodes and 1,000 pods on each. */
const networkInput = {
  clusterCidr: "10.0.0.0/9,fd00:10:244::/48",
  nodePrefix: "22,64",
  serviceCidr: "10.200.0.0/16,fd00:10:96::/112",
};

/** Starts an engine that follows `sources`; rows that the server refuses end the bench. */
export async function startBenchEngine<Sources extends EventSources>(
  server: OvsdbServer,
  sources: Sources,
): Promise<BenchEngine<Sources>> {
  const parsed = parseNetworkConfig(networkInput);
  if (parsed.kind !== "valid") throw new Error(JSON.stringify(parsed.problems));
  const client = createClient<UntypedModel>({ endpoints: server.endpoint, database: "OVN_Northbound" });
  await client.ready();
  const replica = await client.replicate(replicaSpec(managedTables(client.schema)));
  const lock = client.lock("ovenbird", { steal: true });
  const operations = new Map<string, number>();
  const engine = createEngine({
    network: parsed.network,
    client,
    replica,
    lock,
    sources,
    listener: {
      operation: (table, kind) => {
        const name = `${kind} ${table}`;
        operations.set(name, (operations.get(name) ?? 0) + 1);
      },
      transaction: () => {
        running.transactions += 1;
      },
      committed: (owner) => running.onCommitted?.(owner),
      problem: (problem) => {
        throw new Error(`${problem.owner}: ${problem.message}`);
      },
    },
  });
  const running: BenchEngine<Sources> = {
    engine,
    replica,
    sources,
    operations,
    transactions: 0,
    onCommitted: undefined,
    async stop() {
      await engine.close();
      await client.close();
    },
  };
  return running;
}
