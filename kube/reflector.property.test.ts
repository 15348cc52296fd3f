import fc from "fast-check";
import { expect, it } from "vitest";
import { createKubeClient } from "./http-client.ts";
import { type ReflectorEvent, reflect } from "./reflector.ts";
import { pods } from "./resource.ts";
import { answerJson, statusOf } from "./testing/http-server.ts";
import { isList, isWatch, type ObjectServer, startObjectServer } from "./testing/object-server.ts";

const names = ["a", "b", "c", "d"] as const;
const path = (name: string): string => `/api/v1/namespaces/shop/pods/${name}`;

type Step =
  | { readonly kind: "put"; readonly name: string; readonly color: number }
  | { readonly kind: "remove"; readonly name: string }
  | {
      readonly kind:
        | "compact"
        | "bookmark"
        | "end"
        | "break"
        | "mid-line"
        | "garbage"
        | "restart"
        | "restore"
        | "settle";
    }
  | { readonly kind: "refuse"; readonly status: number; readonly what: "list" | "watch" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant("put" as const), name: fc.constantFrom(...names), color: fc.nat(3) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("remove" as const), name: fc.constantFrom(...names) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constantFrom("compact", "bookmark", "end", "break", "mid-line", "garbage", "restart", "restore"),
    }),
  },
  { weight: 7, arbitrary: fc.record({ kind: fc.constant("settle" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("refuse" as const),
      status: fc.constantFrom(410, 429, 500, 503),
      what: fc.constantFrom("list", "watch"),
    }),
  },
);

/** What a follower believes who goes by the events alone; every event must fit what it believed before. */
function createBelief(): {
  readonly held: ReadonlyMap<string, string>;
  readonly take: (event: ReflectorEvent<string>) => void;
} {
  const held = new Map<string, string>();
  return {
    held,
    take(event) {
      if (event.kind === "synced") return;
      expect(event.kind === "delete" ? event.object : event.old).toBe(held.get(event.key));
      if (event.kind === "delete") held.delete(event.key);
      else held.set(event.key, event.object);
    },
  };
}

const truth = (server: ObjectServer): Record<string, string> =>
  Object.fromEntries(
    names.flatMap((name) => {
      const object = server.get(path(name));
      return object === undefined ? [] : [[`shop/${name}`, `${object.color}`]];
    }),
  );

async function play(server: ObjectServer, steps: readonly Step[], mayRestore: boolean): Promise<void> {
  let backup = server.save();
  for (const [at, one] of steps.entries()) {
    if (at % 5 === 0) backup = server.save();
    switch (one.kind) {
      case "put":
        server.put(path(one.name), { color: one.color });
        break;
      case "remove":
        server.remove(path(one.name));
        break;
      case "compact":
        server.compact();
        break;
      case "bookmark":
        server.bookmark();
        break;
      case "end":
        server.endWatches("end");
        break;
      case "break":
        server.endWatches("destroy");
        break;
      case "mid-line":
        server.writeToWatches('{"type":"DELETED","object":{"metadata":{"name":"a"');
        server.endWatches("end");
        break;
      case "garbage":
        server.writeToWatches("\u0000garbage\n");
        break;
      case "restart":
        await server.stop();
        await server.start();
        break;
      case "restore":
        if (!mayRestore) break;
        await server.stop();
        server.restore(backup);
        await server.start();
        break;
      case "refuse":
        server.intercept(one.what === "list" ? isList : isWatch, (_request, response) =>
          answerJson(response, one.status, statusOf(one.status, "", "no")),
        );
        break;
      case "settle":
        await new Promise((resolve) => setTimeout(resolve, 10));
        break;
    }
  }
}

it("whatever happens to the server, its follower ends up believing what is true", { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 5, maxLength: 40, size: "max" }),
      fc.constantFrom(1, 2, 500),
      async (steps, pageSize) => {
        const server = await startObjectServer();
        const client = createKubeClient(server.connection());
        const belief = createBelief();
        let changed = (): void => {};
        const following = reflect(client, pods, {
          project: (raw) => String((raw as { color: number }).color),
          pageSize,
          backoff: { minMs: 1, maxMs: 5 },
        }).subscribe((event) => {
          belief.take(event);
          changed();
        });
        try {
          // A set larger than a page is taken up by its version alone, which a restored server may have reached again.
          await play(server, steps, pageSize > names.length);
          const { promise, resolve } = Promise.withResolvers<void>();
          changed = () => {
            if (JSON.stringify(Object.fromEntries([...belief.held].sort())) === JSON.stringify(truth(server)))
              resolve();
          };
          changed();
          await promise;
        } finally {
          following.unsubscribe();
          await client.close();
          await server.stop();
        }
      },
    ),
    { numRuns: 40 },
  );
});
