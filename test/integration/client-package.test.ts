import { spawnSync } from "node:child_process";
import { globSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { startOvsdbServer } from "ovsdb-client-ts/testing";
import { expect, it } from "vitest";
import { buildClientPackage } from "../../deploy/build.ts";

it("the OVSDB client works as an installed package, far from this repository", async () => {
  const home = mkdtempSync("/tmp/ovenbird-client-");
  const server = await startOvsdbServer({ schemaFile: "/usr/share/ovn/ovn-nb.ovsschema" });
  try {
    const folder = await buildClientPackage(join(home, "node_modules", "ovsdb-client-ts"));
    expect(globSync("**/*.ts", { cwd: folder }).filter((path) => !path.endsWith(".d.ts"))).toEqual([]);
    const program = `
      import { createClient } from "ovsdb-client-ts";
      const client = createClient({ endpoints: "${server.endpoint}", database: "OVN_Northbound" });
      const replica = await client.replicate({ Logical_Switch: ["name"] });
      await client.transaction().insert("Logical_Switch", { name: "blue" }).commit();
      console.log([...replica.table("Logical_Switch").values()].map(({ name }) => name).join());
      await client.close();`;
    const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", program], {
      cwd: home,
      encoding: "utf8",
    });
    expect(stderr).toBe("");
    expect(stdout).toBe("blue\n");
  } finally {
    await server.stop();
    rmSync(home, { recursive: true });
  }
});
