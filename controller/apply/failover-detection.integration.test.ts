import type { UntypedModel } from "ovsdb-client-ts";
import { createClient } from "ovsdb-client-ts";
import { startOvsdbServer } from "ovsdb-client-ts/testing";
import { expect, it, onTestFinished } from "vitest";
import { hastenFailover } from "./failover-detection.ts";

it("has OVN detect dead nodes sooner, but where somebody has said how soon", async () => {
  const server = await startOvsdbServer({ schemaFile: "/usr/share/ovn/ovn-nb.ovsschema" });
  onTestFinished(() => server.stop());
  const client = createClient<UntypedModel>({ endpoints: server.endpoint, database: "OVN_Northbound" });
  onTestFinished(() => client.close());
  await client.ready();
  await client
    .transaction()
    .insert("NB_Global", { options: { mac_prefix: "0a:00:00", "bfd-mult": "7" } }, crypto.randomUUID())
    .commit();
  const lock = client.lock("ovenbird");
  await lock.acquired(AbortSignal.timeout(5_000));
  await hastenFailover(client, lock);
  const replica = await client.replicate({ NB_Global: ["options"] });
  const [row] = replica.table("NB_Global").values();
  expect(Object.fromEntries(row?.options as ReadonlyMap<string, string>)).toEqual({
    "bfd-min-rx": "200",
    "bfd-min-tx": "100",
    "bfd-mult": "7",
    mac_prefix: "0a:00:00",
  });
});
