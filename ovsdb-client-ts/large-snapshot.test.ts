import { expect, it } from "vitest";
import { createMonitor } from "./monitor.ts";
import { parseSchema } from "./schema.ts";
import { createSession } from "./session.ts";
import { smallSchema } from "./testing/scripted-server.ts";

it("a snapshot larger than a string can be loads row by row", { timeout: 60_000 }, async () => {
  const sent: string[] = [];
  const session = createSession({
    write: (text) => sent.push(text),
    unsentBytes: () => 0,
    onNotification() {},
    maxMessageBytes: 2 ** 32,
    maxPendingRequests: 10,
  });
  const monitor = createMonitor(
    { id: "m", database: "Small", spec: { Thing: ["name"] }, indexes: undefined, onClose: async () => {} },
    parseSchema(smallSchema),
  );
  const level = monitor.start(session, parseSchema(smallSchema));
  // The replica holds the names; the weight lies in a column that it doesn't hold, so that the test is light on memory.
  const weight = "x".repeat(100_000);
  const rows = 5_600;
  let bytes = 0;
  const receive = (text: string): void => {
    bytes += text.length;
    session.receive(Buffer.from(text));
  };
  receive('{"id":1,"error":null,"result":[false,"00000000-0000-0000-0000-000000000001",{"Thing":{');
  for (let row = 0; row < rows; row++) {
    const uuid = `00000000-0000-0000-0000-${String(row).padStart(12, "0")}`;
    receive(`${row === 0 ? "" : ","}"${uuid}":{"initial":{"weight":"${weight}","name":"thing-${row}"}}`);
  }
  receive("}}]}");
  await level;
  expect(bytes).toBeGreaterThan(2 ** 29);
  const things = monitor.replica.table("Thing");
  expect(things.size).toBe(rows);
  expect(things.get(`00000000-0000-0000-0000-${String(rows - 1).padStart(12, "0")}`)).toMatchObject({
    name: `thing-${rows - 1}`,
  });
});
