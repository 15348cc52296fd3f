import type { OvnSouthbound } from "@ovenbird/ovsdb-schemas";
import { type Client, createClient } from "ovsdb-client-ts";
import { type OvsdbServer, startOvsdbServer } from "ovsdb-client-ts/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { serviceOwner } from "../translate/load-balancer.ts";
import { desiredRow } from "../translate/owner.ts";
import { createProgrammingLatency, type ProgrammingLatency } from "./programming-latency.ts";

describe("the time until load balancers have a change", () => {
  let server: OvsdbServer;
  let client: Client<OvnSouthbound>;
  let latency: ProgrammingLatency;
  let observed: string[];
  let backends: string;

  const vips = (): Record<string, string> => ({ "10.96.0.1:80": backends, "10.96.0.1:81": "" });

  beforeEach(async () => {
    server = await startOvsdbServer({ schemaFile: "/usr/share/ovn/ovn-sb.ovsschema" });
    client = createClient<OvnSouthbound>({ endpoints: server.endpoint, database: "OVN_Southbound" });
    await client.ready();
    observed = [];
    backends = "10.0.0.1:80";
    latency = createProgrammingLatency({
      southbound: client,
      sampleEveryMs: 0,
      rowsOf: () => [
        desiredRow("Load_Balancer", serviceOwner("x/web"), "cluster.tcp", { name: "x/web#cluster.tcp", vips: vips() }),
      ],
      observe: (stage, latencyMs) => observed.push(`${stage} ${latencyMs >= 1000 && latencyMs < 60_000}`),
    });
  });
  afterEach(async () => {
    latency.close();
    await client.close();
    await server.stop();
  });

  it("is told at the northbound commit, and when the southbound row has the very same virtual addresses", async () => {
    const uuid = "11111111-1111-4111-8111-111111111111";
    await client.transaction().insert("Load_Balancer", { name: "x/web#cluster.tcp", vips: vips() }, uuid).commit();
    backends = "10.0.0.2:80";
    latency.committed("x/web", Date.now() - 1000);
    await client.transact([]);
    expect(observed).toEqual(["northbound true"]);
    await client.transaction().update("Load_Balancer", uuid, { vips: vips() }).commit();
    await expect.poll(() => observed).toEqual(["northbound true", "southbound true"]);
  });

  it("follows one change at a time to the southbound database", async () => {
    for (let change = 0; change < 5; change++) latency.committed("x/web", Date.now() - 1000);
    await client.transaction().insert("Load_Balancer", { name: "x/web#cluster.tcp", vips: vips() }).commit();
    await expect.poll(() => observed.filter((text) => text.startsWith("southbound"))).toEqual(["southbound true"]);
    expect(observed.length).toBe(6);
  });
});
