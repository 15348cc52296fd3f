import fc from "fast-check";
import { startOvsdbServer } from "ovsdb-client-ts/testing";
import { expect } from "vitest";
import { addForeignRows, fromScratch, northboundSchema, readNorthbound } from "./northbound-rows.ts";
import { createSmallCluster, type SmallCluster } from "./small-cluster.ts";
import { type RunningEngine, settle, startSmallEngine } from "./small-engine.ts";

const nodeName = fc.constantFrom("a", "b", "c", "d");
const namespaceName = fc.constantFrom("x", "y");
const podKey = fc.constantFrom("x/1", "x/2", "x/3", "x/4", "x/5", "y/1", "y/2", "y/3", "y/4", "y/5");

type Step =
  | { readonly kind: "cluster"; readonly text: string; readonly act: (cluster: SmallCluster) => void }
  /** Some pending events of each kind arrive: kinds overtake each other, and what waits comes in one batch or in many. */
  | { readonly kind: "deliver"; readonly count: number }
  | { readonly kind: "settle" }
  | { readonly kind: "restart" }
  /** The controller dies with a transaction under way, perhaps. */
  | { readonly kind: "crash" }
  /** The database's server is killed, and comes back later. */
  | { readonly kind: "kill server" }
  | { readonly kind: "start server" };

const cluster = (text: string, act: (cluster: SmallCluster) => void): Step => ({ kind: "cluster", text, act });

/** What a history is made of beside nodes, namespaces and pods. */
export interface Ingredients {
  readonly acts: fc.Arbitrary<{ readonly text: string; readonly act: (cluster: SmallCluster) => void }>;
  /** What pods ask for by annotations; by default nothing. */
  readonly asks?: fc.Arbitrary<Readonly<Record<string, string>>>;
}

const stepOf = ({ acts, asks = fc.constant({}) }: Ingredients): fc.Arbitrary<Step> =>
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc
        .tuple(nodeName, fc.boolean())
        .map(([name, gateway]) => cluster(`node ${name} ${gateway}`, (to) => to.setNode(name, gateway))),
    },
    { weight: 1, arbitrary: nodeName.map((name) => cluster(`delete node ${name}`, (to) => to.deleteNode(name))) },
    { weight: 1, arbitrary: namespaceName.map((name) => cluster(`namespace ${name}`, (to) => to.setNamespace(name))) },
    {
      weight: 1,
      arbitrary: namespaceName.map((name) => cluster(`delete namespace ${name}`, (to) => to.deleteNamespace(name))),
    },
    {
      weight: 8,
      arbitrary: fc
        .tuple(
          podKey,
          fc.option(nodeName, { nil: undefined, freq: 6 }),
          fc.constantFrom("Pending", "Running", "Running", "Succeeded"),
          fc.integer({ min: 0, max: 9 }).map((chance) => chance === 0),
          fc.boolean(),
          asks,
        )
        .map(([key, name, phase, hostNetwork, sameUid, wish]) =>
          cluster(`pod ${key} on ${name} ${phase} ${hostNetwork} ${sameUid} ${JSON.stringify(wish)}`, (to) =>
            to.setPod(key, { nodeName: name, phase, hostNetwork, asks: wish }, sameUid),
          ),
        ),
    },
    { weight: 12, arbitrary: acts.map(({ text, act }) => cluster(text, act)) },
    { weight: 3, arbitrary: podKey.map((key) => cluster(`delete pod ${key}`, (to) => to.deletePod(key))) },
    { weight: 1, arbitrary: podKey.map((key) => cluster(`repeat pod ${key}`, (to) => to.repeat("pod", key))) },
    { weight: 1, arbitrary: nodeName.map((name) => cluster(`repeat node ${name}`, (to) => to.repeat("node", name))) },
    { weight: 5, arbitrary: fc.integer({ min: 1, max: 4 }).map((count): Step => ({ kind: "deliver", count })) },
    { weight: 1, arbitrary: fc.constant<Step>({ kind: "settle" }) },
    { weight: 1, arbitrary: fc.constant<Step>({ kind: "restart" }) },
    { weight: 1, arbitrary: fc.constant<Step>({ kind: "crash" }) },
    { weight: 1, arbitrary: fc.constant<Step>({ kind: "kill server" }) },
    { weight: 2, arbitrary: fc.constant<Step>({ kind: "start server" }) },
  );

/**
 * Holds that any history of a small cluster, with restarts, crashes and a database that comes and goes, ends in what a
 * translation from scratch gives, that it leaves foreign rows alone, and that whoever starts on it has nothing to do.
 */
export async function holdAnyHistory(ingredients: Ingredients, numRuns: number): Promise<void> {
  const history = fc.array(stepOf(ingredients), { minLength: 5, maxLength: 60, size: "max" });
  await fc.assert(
    fc.asyncProperty(history, async (steps) => {
      const server = await startOvsdbServer({ schemaFile: northboundSchema });
      let running: RunningEngine | undefined;
      try {
        await addForeignRows(server);
        const { foreign } = await readNorthbound(server);
        const world = createSmallCluster();
        running = await startSmallEngine(server, world);
        let isUp = true;
        const startServer = async (): Promise<void> => {
          if (!isUp) await server.restart();
          isUp = true;
        };
        for (const next of steps) {
          switch (next.kind) {
            case "cluster":
              next.act(world);
              break;
            case "deliver":
              running.deliver(world, next.count);
              await new Promise((resolve) => setImmediate(resolve));
              break;
            case "settle":
              await startServer();
              await settle(running, world);
              break;
            case "kill server":
              if (isUp) await server.kill();
              isUp = false;
              break;
            case "start server":
              await startServer();
              break;
            case "crash":
            case "restart":
              await startServer();
              if (next.kind === "crash") await running.client.close();
              await running.stop();
              running = await startSmallEngine(server, world);
          }
        }
        await startServer();
        await settle(running, world);
        const expected = await fromScratch(server, world);
        const found = await readNorthbound(server);
        expect(found.ours).toEqual(expected);
        expect(found.foreign).toEqual(foreign);
        expect(running.drifts).toEqual([]);
        // And whoever starts on it now has nothing to do.
        await running.stop();
        running = await startSmallEngine(server, world);
        await settle(running, world);
        expect(running.operations).toEqual([]);
      } finally {
        await running?.stop();
        await server.stop();
      }
    }),
    { numRuns },
  );
}
