import type { OvnSouthbound } from "@ovenbird/ovsdb-schemas";
import { createClient } from "ovsdb-client-ts";
import { startOvsdbServer } from "ovsdb-client-ts/testing";
import { expect, it, onTestFinished } from "vitest";
import { createOutletWatch } from "./outlet-watch.ts";

it("follows routers' outer ports from chassis to chassis, and no other ports", async () => {
  const server = await startOvsdbServer({ schemaFile: "/usr/share/ovn/ovn-sb.ovsschema" });
  onTestFinished(() => server.stop());
  const client = createClient<OvnSouthbound>({ endpoints: server.endpoint, database: "OVN_Southbound" });
  onTestFinished(() => client.close());
  await client.ready();
  const [one, two, encapOne, encapTwo, datapath, port, other] = Array.from({ length: 7 }, () =>
    crypto.randomUUID(),
  ) as [...Array<string>];
  const transaction = client.transaction();
  for (const [name, uuid, encap, ip] of [
    ["one", one, encapOne, "192.0.2.1"],
    ["two", two, encapTwo, "192.0.2.2"],
  ] as const) {
    transaction.insert("Encap", { type: "geneve", ip, chassis_name: name }, encap);
    transaction.insert("Chassis", { name, hostname: name, encaps: [encap ?? ""] }, uuid);
  }
  await transaction
    .insert("Datapath_Binding", { tunnel_key: 1 }, datapath)
    .insert(
      "Port_Binding",
      { logical_port: "cr-egress.a-to-external", type: "chassisredirect", tunnel_key: 1, datapath: datapath ?? "" },
      port,
    )
    .insert(
      "Port_Binding",
      { logical_port: "cr-pod", type: "", tunnel_key: 2, datapath: datapath ?? "", chassis: one },
      other,
    )
    .commit();
  const told: string[] = [];
  const watch = createOutletWatch({
    client,
    onActive: (name, systemId) => told.push(`${name} ${systemId}`),
    onError: (error) => told.push(String(error)),
  });
  onTestFinished(() => watch.close());
  for (const chassis of [one, two]) {
    await client
      .transaction()
      .update("Port_Binding", port ?? "", { chassis })
      .commit();
    const name = chassis === one ? "one" : "two";
    await expect.poll(() => told.at(-1)).toBe(`egress.a-to-external ${name}`);
  }
  await client
    .transaction()
    .delete("Port_Binding", port ?? "")
    .commit();
  await expect
    .poll(() => told)
    .toEqual(["egress.a-to-external one", "egress.a-to-external two", "egress.a-to-external undefined"]);
});
