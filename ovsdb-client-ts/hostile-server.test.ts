import { afterEach, describe, expect, it } from "vitest";
import { type Client, createClient } from "./client.ts";
import type { OvsdbError, OvsdbErrorCode } from "./errors.ts";
import type { ClientOptions } from "./options.ts";
import { type Answer, plainAnswer, type ScriptedServer, startScriptedServer } from "./testing/scripted-server.ts";

let server: ScriptedServer | undefined;
let client: Client<unknown> | undefined;

afterEach(async () => {
  await client?.close();
  await server?.stop();
});

/** Starts a client against a server that answers one method in its own way; gives the first error that it meets. */
async function firstError(
  method: string,
  answer: Answer,
  options: Partial<ClientOptions> = {},
  thenClose = false,
): Promise<OvsdbError> {
  server = await startScriptedServer((asked, params, socket) => {
    if (asked === "echo") return "silence";
    if (asked !== method || params[0] === "_Server") return plainAnswer(asked, params);
    if (thenClose) setImmediate(() => socket.end());
    return answer;
  });
  const met = Promise.withResolvers<OvsdbError>();
  const opened = createClient<unknown>({
    endpoints: server.endpoint,
    database: "Small",
    maxMessageBytes: 4 << 20,
    connectTimeoutMs: 2000,
    ...options,
    logger: {
      info() {},
      warn() {},
      debug(fields) {
        if ("code" in fields) met.resolve(fields as OvsdbError);
      },
    },
  });
  client = opened;
  opened.on((event) => {
    if (event.kind === "disconnected") met.resolve(event.error);
  });
  const untyped = opened as unknown as Client<Record<string, { _uuid: string; name: string }>>;
  // What the replica can't have, it goes on asking for: closing the client ends it.
  untyped.replicate({ Thing: "all" }).catch(() => {});
  return met.promise;
}

const reply = (result: string): Answer => ({ raw: `{"id":4,"error":null,"result":${result}}` });
const since = (updates: string): Answer => reply(`[false,"00000000-0000-0000-0000-000000000001",${updates}]`);
const uuid = "8d0a9a3c-3b7e-4c86-9f0a-0a2b6a1f0c11";

const cases: Readonly<Record<string, readonly [method: string, answer: Answer, code: OvsdbErrorCode]>> = {
  "garbage instead of a reply": ["get_schema", { raw: "HTTP/1.1 400 Bad Request\r\n\r\n" }, "MALFORMED_MESSAGE"],
  "binary garbage": ["get_schema", { raw: Buffer.from([0, 255, 254, 1, 2, 3]) }, "MALFORMED_MESSAGE"],
  "an array instead of a message": ["get_schema", { raw: "[1,2,3]" }, "MALFORMED_MESSAGE"],
  "broken JSON in right brackets": ["get_schema", { raw: '{"id":1,"result":}' }, "MALFORMED_MESSAGE"],
  "endless nesting": ["get_schema", { raw: `{"a":${"[".repeat(100_000)}` }, "NESTING_TOO_DEEP"],
  "endless nesting in a large message": [
    "get_schema",
    { raw: `{"pad":"${"x".repeat(2 << 20)}","a":${"[".repeat(100_000)}` },
    "NESTING_TOO_DEEP",
  ],
  "endless digits": ["get_schema", { raw: `{"a":${"9".repeat(100_000)}` }, "MALFORMED_MESSAGE"],
  "an oversized message": ["get_schema", { raw: `{"a":"${"x".repeat(5 << 20)}"}` }, "MESSAGE_TOO_LARGE"],
  "an endless string": ["get_schema", { raw: `{"a":"${"x".repeat(5 << 20)}` }, "MESSAGE_TOO_LARGE"],
  "an error of an unknown kind": ["get_schema", { error: 7 }, "SERVER_ERROR"],
  "a reply to nothing": ["get_schema", { raw: '{"id":999,"result":{},"error":null}' }, "MALFORMED_MESSAGE"],
  "a request without params": ["get_schema", { raw: '{"id":1,"method":"update"}' }, "MALFORMED_MESSAGE"],
  "silence in place of an answer": ["get_schema", "silence", "CONNECT_FAILED"],
  "an unknown database": ["get_schema", { error: { error: "unknown database" } }, "UNKNOWN_DATABASE"],
  "a schema of the wrong type": ["get_schema", { result: { name: "Small", tables: [] } }, "MALFORMED_MESSAGE"],
  "a schema with a hostile name": [
    "get_schema",
    { raw: '{"id":2,"error":null,"result":{"name":"Small","tables":{"__proto__":{"columns":{}}}}}' },
    "MALFORMED_MESSAGE",
  ],
  "no table updates": ["monitor_cond_since", since("7"), "MALFORMED_MESSAGE"],
  "a table nobody asked for": [
    "monitor_cond_since",
    reply(`[true,"00000000-0000-0000-0000-000000000001",{"Other":{"${uuid}":{"insert":{}}}}]`),
    "MALFORMED_MESSAGE",
  ],
  "a row that is no object": ["monitor_cond_since", since(`{"Thing":{"${uuid}":7}}`), "MALFORMED_MESSAGE"],
  "a value of the wrong type": [
    "monitor_cond_since",
    since(`{"Thing":{"${uuid}":{"initial":{"name":7}}}}`),
    "MALFORMED_MESSAGE",
  ],
  "a map of the wrong type": [
    "monitor_cond_since",
    since(`{"Thing":{"${uuid}":{"initial":{"options":["map",[["a"]]]}}}}`),
    "MALFORMED_MESSAGE",
  ],
  "a change of a row that isn't there": [
    "monitor_cond_since",
    reply(`[true,"00000000-0000-0000-0000-000000000001",{"Thing":{"${uuid}":{"modify":{"name":"a"}}}}]`),
    "MALFORMED_MESSAGE",
  ],
};

describe("a server that sends", () => {
  for (const [name, [method, answer, code]] of Object.entries(cases)) {
    it(`${name} ends in ${code}`, async () => {
      const timeout = answer === "silence" ? { connectTimeoutMs: 100 } : {};
      // The fourth request is the monitor: _Server, schema, awareness come before.
      expect((await firstError(method, answer, timeout)).code).toBe(code);
    });
  }

  it("half a message and then nothing more ends when the probe is not answered", async () => {
    const error = await firstError("get_schema", { raw: '{"id":2,"result":{' }, { probeIntervalMs: 50 });
    expect(error.code).toBe("PROBE_TIMEOUT");
  });

  it("half a message and then closes ends in CONNECTION_LOST", async () => {
    const error = await firstError("monitor_cond_since", { raw: '{"id":4,"result":[false,' }, {}, true);
    expect(error.code).toBe("CONNECTION_LOST");
  });
});
