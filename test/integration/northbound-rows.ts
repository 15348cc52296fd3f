import {
  backendsIn,
  createGraph,
  createIpam,
  managedTables,
  ownerKey,
  ownerNameOf,
  replicaSpec,
} from "@ovenbird/controller";
import { northboundCapabilities } from "@ovenbird/ovsdb-schemas";
import { type Client, createClient, type UntypedModel, type UntypedRow } from "ovsdb-client-ts";
import { reservedRows, restoredRouterPorts } from "../../controller/engine.ts";
import type { StateEvent } from "../../controller/state/state-event.ts";
import { policyLayout } from "../../controller/translate/policy-layout.ts";
import { network, type SmallCluster } from "./small-cluster.ts";

export const northboundSchema = "/usr/share/ovn/ovn-nb.ovsschema";

/** Where the northbound database is. */
export interface Database {
  readonly endpoint: string;
}

/** A row as text-like values that compare: sets sorted, maps as objects; without the server's own columns. */
function plain(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const iterable = [...(value as Iterable<unknown>)];
  const isMap = typeof (value as { get?: unknown }).get === "function";
  return isMap ? Object.fromEntries([...(value as Map<string, unknown>)].sort()) : iterable.sort();
}

export type PlainRow = Readonly<Record<string, unknown>>;

function plainRow(row: UntypedRow, columns: Iterable<string>): PlainRow {
  return Object.fromEntries([...columns].map((column) => [column, plain(row[column])]));
}

const isOurs = (table: string, row: UntypedRow): boolean => ownerNameOf(table, row) !== undefined;

/** Every row as the server has it, by table and uuid, read anew over a connection of its own. */
export async function readNorthbound(
  server: Database,
): Promise<{ ours: Record<string, PlainRow>; foreign: Record<string, PlainRow> }> {
  const client = createClient<UntypedModel>({ endpoints: server.endpoint, database: "OVN_Northbound" });
  await client.ready();
  const tables = managedTables(client.schema);
  const replica = await client.replicate(replicaSpec(tables));
  const ours: Record<string, PlainRow> = {};
  const foreign: Record<string, PlainRow> = {};
  for (const table of tables.values()) {
    for (const row of replica.table(table.name).values()) {
      (isOurs(table.name, row) ? ours : foreign)[`${table.name} ${row._uuid}`] = plainRow(row, table.columns.keys());
    }
  }
  await client.close();
  return { ours, foreign };
}

/**
 * What a controller that has never run before would have in the database, given the cluster and the addresses that the
 * database and the annotations say are held: every row from scratch, without applier or replica.
 */
export async function fromScratch(server: Database, cluster: SmallCluster): Promise<Record<string, PlainRow>> {
  const client = createClient<UntypedModel>({ endpoints: server.endpoint, database: "OVN_Northbound" });
  await client.ready();
  const tables = managedTables(client.schema);
  const replica = await client.replicate(replicaSpec(tables));
  const { nodes, namespaces, pods, services, endpointSlices, own } = cluster.records();
  const ipam = createIpam(network);
  const reserved = reservedRows(replica);
  const layout = policyLayout(northboundCapabilities(client.schema));
  const graph = createGraph({ network, ipam, report: () => {}, previousBackends: backendsIn(replica), layout });
  for (const { kind, object } of own) {
    graph.apply({ kind, change: "upsert", key: object.key, object } as StateEvent);
  }
  const routerPorts = restoredRouterPorts(replica);
  for (const object of namespaces) graph.apply({ kind: "namespace", change: "upsert", key: object.key, object });
  graph.restore({ rows: reserved, routerPorts, pods, nodes });
  for (const object of pods) graph.apply({ kind: "pod", change: "upsert", key: object.key, object });
  for (const object of nodes) graph.apply({ kind: "node", change: "upsert", key: object.key, object });
  for (const object of services) graph.apply({ kind: "service", change: "upsert", key: object.key, object });
  for (const object of endpointSlices) {
    graph.apply({ kind: "endpointSlice", change: "upsert", key: object.key, object });
  }
  const bundles = graph.flush().flatMap(({ bundle }) => bundle ?? []);
  const rows: Record<string, Record<string, unknown>> = {};
  for (const { table, uuid, owner, columns } of bundles.flatMap((bundle) => bundle.rows)) {
    const row: Record<string, unknown> = {};
    for (const [column, kind] of tables.get(table)?.columns ?? []) {
      const wanted = columns[column];
      const empty = kind === "set" ? [] : kind === "map" ? {} : defaults(client, table, column);
      row[column] = kind === "set" ? [...((wanted as readonly unknown[] | undefined) ?? [])].sort() : (wanted ?? empty);
    }
    if ("external_ids" in row) row.external_ids = { ...(row.external_ids as object), [ownerKey]: owner };
    rows[`${table} ${uuid}`] = row;
  }
  for (const { table, row, column, member } of bundles.flatMap((bundle) => bundle.memberships)) {
    const members = rows[`${table} ${row}`]?.[column] as string[] | undefined;
    members?.push(member);
    members?.sort();
  }
  await client.close();
  return rows;
}

/** What the server gives a scalar or optional column that nobody wrote (RFC 7047 section 5.2.1). */
function defaults(client: Client<UntypedModel>, table: string, column: string): unknown {
  const type = client.schema.tables[table]?.columns[column];
  if (type === undefined || type.min === 0) return undefined;
  return { integer: 0, real: 0, boolean: false, string: "", uuid: "00000000-0000-0000-0000-000000000000" }[
    type.key.type
  ];
}

/** Rows of somebody else, of the kinds that ours are of. */
export async function addForeignRows(server: Database): Promise<void> {
  const client = createClient<UntypedModel>({ endpoints: server.endpoint, database: "OVN_Northbound" });
  await client.ready();
  const port = "11111111-1111-4111-8111-111111111111";
  const routerPort = "22222222-2222-4222-8222-222222222222";
  await client
    .transaction()
    .insert("Logical_Switch_Port", { name: "their-port", external_ids: { owner: "them" } }, port)
    .insert("Logical_Switch", { name: "a", ports: [port], other_config: { subnet: "10.9.0.0/24" } })
    .insert(
      "Logical_Router_Port",
      { name: "their-router-port", mac: "02:00:00:00:00:09", networks: ["10.9.0.1/24"] },
      routerPort,
    )
    .insert("Logical_Router", { name: "default", ports: [routerPort], options: { chassis: "theirs" } })
    .insert("Address_Set", { name: "theirs", addresses: ["10.9.0.9"], external_ids: { owner: "them" } })
    .insert("Port_Group", { name: "theirs", ports: [port] })
    .insert("Load_Balancer_Group", { name: "default.theirs" })
    .insert("Load_Balancer_Group", { name: "switch.theirs" })
    .insert("Load_Balancer", { name: "x/1#cluster.tcp", vips: { "10.96.0.1:80": "10.9.0.9:80" } })
    .commit();
  await client.close();
}
