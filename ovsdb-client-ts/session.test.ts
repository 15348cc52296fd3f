import { describe, expect, it } from "vitest";
import { OvsdbError } from "./errors.ts";
import { createSession, type Session } from "./session.ts";

interface Wire {
  readonly session: Session;
  /** What was sent since the last look, a message each. */
  sent(): Promise<Record<string, unknown>[]>;
  receive(...messages: readonly unknown[]): void;
  readonly notifications: unknown[];
}

function open(maxPendingRequests = 10): Wire {
  let written: string[] = [];
  const notifications: unknown[] = [];
  const session = createSession({
    write: (text) => written.push(text),
    unsentBytes: () => 0,
    onNotification: (method, params) => notifications.push([method, params]),
    maxMessageBytes: 1 << 20,
    maxPendingRequests,
  });
  return {
    session,
    notifications,
    async sent() {
      await Promise.resolve();
      const text = written.join("");
      written = [];
      return text === "" ? [] : (JSON.parse(`[${text.replaceAll("}{", "},{")}]`) as Record<string, unknown>[]);
    },
    receive: (...messages) => session.receive(Buffer.from(messages.map((message) => JSON.stringify(message)).join(""))),
  };
}

const codeOf = (promise: Promise<unknown>): Promise<string | undefined> =>
  promise.then(
    () => undefined,
    (error: unknown) => (error instanceof OvsdbError ? error.code : "another error"),
  );

describe("a session", () => {
  it("sends the requests of one turn in one write and matches replies by id", async () => {
    const { session, sent, receive } = open();
    const first = session.request("a", [1]);
    const second = session.request("b", [2]);
    const messages = await sent();
    expect(messages).toEqual([
      { method: "a", params: [1], id: 1 },
      { method: "b", params: [2], id: 2 },
    ]);
    receive({ id: 2, result: "two", error: null }, { id: 1, result: "one", error: null });
    expect(await Promise.all([first, second])).toEqual(["one", "two"]);
  });

  it("answers echo with its parameters, and refuses other requests", async () => {
    const { sent, receive } = open();
    receive({ id: "echo", method: "echo", params: ["x"] }, { id: 9, method: "shutdown", params: [] });
    expect(await sent()).toEqual([
      { result: ["x"], error: null, id: "echo" },
      { result: null, error: "unknown method", id: 9 },
    ]);
  });

  it("rejects with the server's error", async () => {
    const { session, receive } = open();
    const code = codeOf(session.request("transact", []));
    receive({ id: 1, error: { error: "unknown database" } });
    expect(await code).toBe("UNKNOWN_DATABASE");
  });

  it("cancels an aborted transaction and lets its late reply pass", async () => {
    const { session, sent, receive } = open();
    const abort = new AbortController();
    const code = codeOf(session.request("transact", [], { signal: abort.signal }));
    await sent();
    abort.abort();
    expect(await code).toBe("ABORTED");
    expect(await sent()).toEqual([{ method: "cancel", params: [1], id: null }]);
    receive({ id: 1, error: "canceled" });
    expect(session.pendingRequests).toBe(0);
  });

  it("sends nothing that was aborted before", async () => {
    const { session, sent } = open();
    expect(await codeOf(session.request("transact", [], { signal: AbortSignal.abort() }))).toBe("ABORTED");
    expect(await sent()).toEqual([]);
  });

  it("gives up on what isn't answered in time", async () => {
    const { session } = open();
    expect(await codeOf(session.request("transact", [], { timeoutMs: 1 }))).toBe("TIMED_OUT");
  });

  it("bounds the requests that wait", async () => {
    const { session } = open(1);
    void codeOf(session.request("a", []));
    expect(await codeOf(session.request("b", []))).toBe("BACKPRESSURE");
  });

  it("fails what waits when it closes, and what comes later", async () => {
    const { session } = open();
    const waiting = codeOf(session.request("a", []));
    session.close(new OvsdbError("CONNECTION_LOST", "gone"));
    expect(await waiting).toBe("CONNECTION_LOST");
    expect(await codeOf(session.request("b", []))).toBe("CONNECTION_LOST");
  });

  it("refuses replies to nothing and messages of the wrong shape", () => {
    for (const message of [
      { id: 5, result: 1 },
      { id: null, result: 1 },
      {},
      { method: 1, params: [] },
      { method: "update" },
    ]) {
      expect(() => open().receive(message)).toThrow(OvsdbError);
    }
  });

  it("passes notifications on in order", () => {
    const { notifications, receive } = open();
    receive({ id: null, method: "locked", params: ["a"] }, { method: "stolen", params: ["a"], id: null });
    expect(notifications).toEqual([
      ["locked", ["a"]],
      ["stolen", ["a"]],
    ]);
  });
});
