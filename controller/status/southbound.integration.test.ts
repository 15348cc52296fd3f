import type { OvnSouthbound } from "@ovenbird/ovsdb-schemas";
import { type Client, createClient } from "ovsdb-client-ts";
import { type OvsdbServer, startOvsdbServer } from "ovsdb-client-ts/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createSouthbound, type Southbound } from "./southbound.ts";

describe("the southbound database", () => {
  let server: OvsdbServer;
  let client: Client<OvnSouthbound>;
  let southbound: Southbound;

  async function register(name: string, ip = "192.168.0.1"): Promise<void> {
    const encap = crypto.randomUUID();
    await client
      .transaction()
      .insert("Encap", { type: "geneve", ip, chassis_name: name }, encap)
      .insert("Chassis", { name, hostname: name, encaps: [encap] })
      .insert("Chassis_Private", { name })
      .commit();
  }

  async function chassis(): Promise<string[]> {
    const results = await client.transact([
      { op: "select", table: "Chassis", where: [], columns: ["name"] },
      { op: "select", table: "Chassis_Private", where: [], columns: ["name"] },
    ]);
    return results.flatMap(({ rows = [] }) => rows.map(({ name }) => String(name))).sort();
  }

  beforeEach(async () => {
    server = await startOvsdbServer({ schemaFile: "/usr/share/ovn/ovn-sb.ovsschema" });
    client = createClient<OvnSouthbound>({ endpoints: server.endpoint, database: "OVN_Southbound" });
    await client.ready();
    southbound = createSouthbound({ client, reappearMs: 20 });
  });
  afterEach(async () => {
    await southbound.close();
    await client.close();
    await server.stop();
  });

  it("loses the chassis of a node that is gone, and no other", async () => {
    await register("one");
    await register("two", "192.168.0.2");
    southbound.gone("one");
    await southbound.idle();
    expect(await chassis()).toEqual(["two", "two"]);
    expect(southbound.connected).toBe(true);
  });

  it("loses a chassis that registers again though its node is gone, and keeps it once the node is back", async () => {
    southbound.gone("one");
    await southbound.idle();
    await register("one");
    await expect.poll(chassis, { interval: 10 }).toEqual([]);
    southbound.lives("one");
    await register("one");
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(await chassis()).toEqual(["one", "one"]);
  });
});
