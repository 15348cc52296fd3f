import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { example } from "./example.ts";
import { startOvsdbServer } from "./testing/index.ts";

it("README's example is the one that runs here", async () => {
  const read = (name: string): string => readFileSync(join(import.meta.dirname, name), "utf8");
  expect(read("README.md")).toContain(read("example.ts").trim());
  const server = await startOvsdbServer({ schemaFile: "/usr/share/ovn/ovn-nb.ovsschema" });
  try {
    expect((await example(server.endpoint)).toSorted()).toEqual(
      [
        "insert Logical_Switch blue",
        "insert Logical_Switch_Port web",
        "blue has 1 port",
        "delete Logical_Switch blue",
        "delete Logical_Switch_Port web",
      ].toSorted(),
    );
  } finally {
    await server.stop();
  }
});
