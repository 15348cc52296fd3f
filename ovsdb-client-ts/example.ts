import { createClient, type Uuid } from "ovsdb-client-ts";

/** What of the database the program uses; @ovenbird/ovsdb-schemas has complete models. */
interface Northbound {
  Logical_Switch: {
    readonly _uuid: Uuid;
    readonly name: string;
    readonly ports: ReadonlySet<Uuid>;
    readonly other_config: ReadonlyMap<string, string>;
  };
  Logical_Switch_Port: {
    readonly _uuid: Uuid;
    readonly name: string;
    readonly addresses: ReadonlySet<string>;
    readonly tag: number | undefined;
  };
}

export async function example(endpoints: string): Promise<string[]> {
  const client = createClient<Northbound>({ endpoints, database: "OVN_Northbound" });
  const replica = await client.replicate(
    { Logical_Switch: ["name", "ports", "other_config"], Logical_Switch_Port: "all" },
    { indexes: { Logical_Switch: { name: "name" } } },
  );
  const seen: string[] = [];
  replica.subscribe((changes) => {
    for (const change of changes) seen.push(`${change.kind} ${change.table} ${change.row.name}`);
  });

  // Rows may refer to each other within a transaction, for we choose their identifiers.
  const [blue, web] = [crypto.randomUUID(), crypto.randomUUID()];
  await client
    .transaction()
    .insert("Logical_Switch", { name: "blue", other_config: { subnet: "10.0.0.0/24" } }, blue)
    .insert("Logical_Switch_Port", { name: "web", addresses: ["0a:00:00:00:00:01 10.0.0.2"] }, web)
    .mutate("Logical_Switch", blue, { ports: { insert: [web] } })
    .commit();

  // The replica has the transaction's effects already.
  for (const row of replica.table("Logical_Switch").by("name", "blue"))
    seen.push(`${row.name} has ${row.ports.size} port`);

  await client.transaction().delete("Logical_Switch", blue).commit();
  await client.close();
  return seen;
}
