import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { type Client, createClient, type Transaction, type Uuid } from "./index.ts";
import { startOvsdbServer } from "./testing/index.ts";

/**
 * Measures the client against the raw limit: prebuilt JSON over a bare socket and JSON.parse of what comes, with the
 * same monitors on the same server in the same run, turn by turn. Absolute figures depend on the machine; ratios less.
 * Ours builds each transaction from typed rows within the measured time: the next one while the last is under way, as
 * group commit does (`buildAhead: false` builds it only when the last is done).
 */
export interface BenchOptions {
  readonly schemaFile?: string;
  /** Default true. */
  readonly buildAhead?: boolean;
  /** Turns of each side per mode (default 5). */
  readonly rounds?: number;
  /** Pods per turn, by mode. */
  readonly oneAtATime?: number;
  readonly inFlight?: number;
  readonly batched?: number;
  /** Rows of the initial synchronisation (default 50,000). */
  readonly ports?: number;
}

export interface Measure {
  readonly wallMs: number;
  readonly cpuMs: number;
}

export interface ModeFigures {
  /** The best turn of each side. */
  readonly raw: Measure & { readonly podsPerSecond: number; readonly cpuMsPerPod: number };
  readonly ours: Measure & { readonly podsPerSecond: number; readonly cpuMsPerPod: number };
  /** Pods per second of ours over raw's. */
  readonly ratio: number;
}

export interface BenchFigures {
  readonly oneAtATime: ModeFigures;
  readonly inFlight64: ModeFigures;
  readonly batchOf100: ModeFigures;
  /** The same with four transactions in flight. */
  readonly batchOf100InFlight4: ModeFigures;
  readonly initialSync: {
    readonly ports: number;
    readonly raw: Measure;
    readonly ours: Measure;
    readonly ratio: number;
    /** What a replica's row weighs; undefined without `node --expose-gc`. */
    readonly heapBytesPerRow: number | undefined;
  };
  /** One member more in a set: the client's own time over the raw limit must not grow with the set. */
  readonly addToSet: {
    readonly members: readonly [number, number];
    readonly rawMs: readonly [number, number];
    readonly oursMs: readonly [number, number];
  };
}

interface Bench {
  Logical_Switch: { readonly _uuid: Uuid; readonly name: string; readonly ports: ReadonlySet<Uuid> };
  Logical_Switch_Port: {
    readonly _uuid: Uuid;
    readonly name: string;
    readonly addresses: ReadonlySet<string>;
    readonly port_security: ReadonlySet<string>;
    readonly options: ReadonlyMap<string, string>;
    readonly external_ids: ReadonlyMap<string, string>;
  };
}

const database = "OVN_Northbound";
const columns = {
  Logical_Switch: ["name", "ports"],
  Logical_Switch_Port: ["name", "addresses", "port_security", "options", "external_ids"],
} as const;

interface Pod {
  readonly uuid: Uuid;
  readonly name: string;
  readonly addresses: readonly string[];
  readonly options: Readonly<Record<string, string>>;
  readonly externalIds: Readonly<Record<string, string>>;
}

let podCount = 0;

function makePod(): Pod {
  const n = ++podCount;
  const namespace = `namespace-${n % 100}`;
  const name = `deployment-${n % 1000}-${(n * 7919).toString(36)}-${n}`;
  const byte = (shift: number): number => (n >> shift) & 255;
  const hex = (shift: number): string => byte(shift).toString(16).padStart(2, "0");
  const address = `0a:58:0a:${hex(16)}:${hex(8)}:${hex(0)} 10.${byte(16)}.${byte(8)}.${byte(0)} fd00:10:244::${n.toString(16)}`;
  return {
    uuid: randomUUID(),
    name: `${namespace}_${name}`,
    addresses: [address],
    options: { "requested-chassis": `node-${n % 100}`, "iface-id-ver": randomUUID() },
    externalIds: { "ovenbird.io/owner": `pod/${namespace}/${name}`, namespace, pod: "true" },
  };
}

const makePods = (count: number): Pod[] => Array.from({ length: count }, makePod);

const wireMap = (entries: Readonly<Record<string, string>>): unknown => ["map", Object.entries(entries)];

function rawOperations(pod: Pod, switchUuid: Uuid): readonly unknown[] {
  const row = {
    name: pod.name,
    addresses: pod.addresses[0],
    port_security: pod.addresses[0],
    options: wireMap(pod.options),
    external_ids: wireMap(pod.externalIds),
  };
  return [
    { op: "insert", table: "Logical_Switch_Port", uuid: pod.uuid, row },
    {
      op: "mutate",
      table: "Logical_Switch",
      where: [["_uuid", "==", ["uuid", switchUuid]]],
      mutations: [["ports", "insert", ["uuid", pod.uuid]]],
    },
  ];
}

interface RawClient {
  /** Sends a prebuilt request; resolves when its reply has been parsed. */
  send(text: string): Promise<void>;
  close(): void;
}

/** The least that a client can do: find the ends of messages and parse them. Replies come in order. */
async function openRaw(path: string, monitor: boolean): Promise<RawClient> {
  const socket = connect(path);
  await once(socket, "connect");
  const waiting: (() => void)[] = [];
  let parts: Buffer[] = [];
  let depth = 0;
  let inString = false;
  let escaped = false;
  socket.on("data", (chunk: Buffer) => {
    let start = 0;
    for (let index = 0; index < chunk.length; index++) {
      const byte = chunk[index];
      if (inString) {
        if (escaped) escaped = false;
        else if (byte === 0x5c) escaped = true;
        else if (byte === 0x22) inString = false;
      } else if (byte === 0x22) inString = true;
      else if (byte === 0x7b || byte === 0x5b) depth++;
      else if ((byte === 0x7d || byte === 0x5d) && --depth === 0) {
        parts.push(chunk.subarray(start, index + 1));
        start = index + 1;
        const message: unknown = JSON.parse(Buffer.concat(parts).toString());
        parts = [];
        if (typeof message === "object" && message !== null && "id" in message && message.id !== null)
          waiting.shift()?.();
      }
    }
    if (start < chunk.length) parts.push(chunk.subarray(start));
  });
  const client: RawClient = {
    send(text) {
      socket.write(text);
      return new Promise((resolve) => waiting.push(resolve));
    },
    close: () => socket.destroy(),
  };
  if (monitor) await client.send(monitorRequest);
  return client;
}

const monitorRequest = JSON.stringify({
  id: "monitor",
  method: "monitor_cond_since",
  params: [
    database,
    "raw",
    Object.fromEntries(Object.entries(columns).map(([table, names]) => [table, [{ columns: names }]])),
    "00000000-0000-0000-0000-000000000000",
  ],
});

const request = (operations: readonly unknown[]): string =>
  JSON.stringify({ id: 1, method: "transact", params: [database, ...operations] });

async function measure(act: () => Promise<void>): Promise<Measure> {
  // What was made before is not this turn's garbage.
  globalThis.gc?.();
  const cpu = process.cpuUsage();
  const start = performance.now();
  await act();
  const wallMs = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  return { wallMs, cpuMs: (user + system) / 1000 };
}

/** The best turn: what disturbs one from outside only ever makes it slower. */
function best(measures: readonly Measure[]): Measure {
  return measures.toSorted((a, b) => a.wallMs - b.wallMs)[0] ?? { wallMs: Number.NaN, cpuMs: Number.NaN };
}

/** Runs `count` steps with at most `width` of them under way. */
async function pipeline(count: number, width: number, step: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: width }, async () => {
      while (next < count) await step(next++);
    }),
  );
}

const chunksOf = <T>(items: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, index) => items.slice(index * size, (index + 1) * size));

async function openOurs(endpoint: string): Promise<Client<Bench>> {
  const client = createClient<Bench>({ endpoints: endpoint, database, probeIntervalMs: 60_000 });
  await client.replicate(columns);
  return client;
}

async function addSwitch(client: Client<Bench>): Promise<Uuid> {
  const uuid = randomUUID();
  await client
    .transaction()
    .insert("Logical_Switch", { name: `switch-${uuid}` }, uuid)
    .commit();
  return uuid;
}

const addPods = (client: Client<Bench>, switchUuid: Uuid, pods: readonly Pod[]): Promise<unknown> =>
  buildPods(client, switchUuid, pods).commit();

function buildPods(client: Client<Bench>, switchUuid: Uuid, pods: readonly Pod[]): Transaction<Bench> {
  const transaction = client.transaction();
  for (const pod of pods) {
    transaction
      .insert(
        "Logical_Switch_Port",
        {
          name: pod.name,
          addresses: pod.addresses,
          port_security: pod.addresses,
          options: pod.options,
          external_ids: pod.externalIds,
        },
        pod.uuid,
      )
      .mutate("Logical_Switch", switchUuid, { ports: { insert: [pod.uuid] } });
  }
  return transaction;
}

/** As many pods as a node holds, or some more. */
const podsPerSwitch = 250;

async function benchMode(
  endpoint: string,
  mode: { readonly pods: number; readonly batch: number; readonly width: number; readonly buildAhead: boolean },
  rounds: number,
): Promise<ModeFigures> {
  const { pods: podsPerTurn, batch, width } = mode;
  const groom = createClient<Bench>({ endpoints: endpoint, database });
  await groom.ready();
  /** Empties the database, and makes pods in groups that fit a transaction, each with its switch. */
  const makeGroups = async (): Promise<{ switchUuid: Uuid; pods: Pod[] }[]> => {
    await groom.transact([{ op: "delete", table: "Logical_Switch", where: [] }]);
    const groups: { switchUuid: Uuid; pods: Pod[] }[] = [];
    for (const pods of chunksOf(makePods(podsPerTurn), podsPerSwitch)) {
      const switchUuid = await addSwitch(groom);
      for (const group of chunksOf(pods, batch)) groups.push({ switchUuid, pods: group });
    }
    return groups;
  };
  const rawTurn = async (): Promise<Measure> => {
    const groups = await makeGroups();
    const texts = groups.map(({ switchUuid, pods }) => request(pods.flatMap((pod) => rawOperations(pod, switchUuid))));
    const raw = await openRaw(endpoint.slice(5), true);
    const taken = await measure(() => pipeline(texts.length, width, (index) => raw.send(texts[index] ?? "")));
    raw.close();
    return taken;
  };
  const ourTurn = async (): Promise<Measure> => {
    const groups = await makeGroups();
    const client = await openOurs(endpoint);
    const build = (index: number): Transaction<Bench> | undefined => {
      const group = groups[index];
      return group === undefined ? undefined : buildPods(client, group.switchUuid, group.pods);
    };
    const taken = await measure(async () => {
      let ahead = mode.buildAhead ? build(0) : undefined;
      await pipeline(groups.length, width, (index) => {
        const sent = (ahead ?? build(index))?.commit();
        ahead = mode.buildAhead ? build(index + 1) : undefined;
        return sent ?? Promise.resolve();
      });
    });
    await client.close();
    return taken;
  };
  const rawTurns: Measure[] = [];
  const ourTurns: Measure[] = [];
  // The first rounds warm up both sides, until their code is compiled, and are not counted.
  for (let round = -1; round <= rounds; round++) {
    const rawFirst = round % 2 === 0;
    const early = await (rawFirst ? rawTurn() : ourTurn());
    const late = await (rawFirst ? ourTurn() : rawTurn());
    if (round < 1) continue;
    rawTurns.push(rawFirst ? early : late);
    ourTurns.push(rawFirst ? late : early);
  }
  await groom.close();
  const figures = (turns: readonly Measure[]): ModeFigures["raw"] => {
    const taken = best(turns);
    return { ...taken, podsPerSecond: (podsPerTurn / taken.wallMs) * 1000, cpuMsPerPod: taken.cpuMs / podsPerTurn };
  };
  const raw = figures(rawTurns);
  const ours = figures(ourTurns);
  return { raw, ours, ratio: ours.podsPerSecond / raw.podsPerSecond };
}

function heapUsed(): number | undefined {
  if (globalThis.gc === undefined) return undefined;
  globalThis.gc();
  globalThis.gc();
  return process.memoryUsage().heapUsed;
}

async function benchInitialSync(endpoint: string, ports: number, rounds: number): Promise<BenchFigures["initialSync"]> {
  const loader = await openOurs(endpoint);
  for (const pods of chunksOf(makePods(ports), 500)) await addPods(loader, await addSwitch(loader), pods);
  await loader.close();
  const rawTurns: Measure[] = [];
  const ourTurns: Measure[] = [];
  let heapBytesPerRow: number | undefined;
  for (let round = 0; round < rounds; round++) {
    rawTurns.push(
      await measure(async () => {
        const raw = await openRaw(endpoint.slice(5), true);
        raw.close();
      }),
    );
    const before = heapUsed();
    let client: Client<Bench> | undefined;
    ourTurns.push(
      await measure(async () => {
        client = await openOurs(endpoint);
      }),
    );
    const after = heapUsed();
    if (before !== undefined && after !== undefined) heapBytesPerRow = (after - before) / ports;
    await client?.close();
  }
  const raw = best(rawTurns);
  const ours = best(ourTurns);
  return { ports, raw, ours, ratio: raw.wallMs / ours.wallMs, heapBytesPerRow };
}

async function benchAddToSet(endpoint: string, members: readonly [number, number]): Promise<BenchFigures["addToSet"]> {
  const turn = 200;
  const results: { rawMs: number; oursMs: number }[] = [];
  for (const size of members) {
    const loader = await openOurs(endpoint);
    const switchUuid = await addSwitch(loader);
    for (const pods of chunksOf(makePods(size), 500)) await addPods(loader, switchUuid, pods);
    const rawTurns: Measure[] = [];
    const ourTurns: Measure[] = [];
    await loader.close();
    for (let round = 0; round < 6; round++) {
      const client = await openOurs(endpoint);
      const ours = makePods(turn);
      ourTurns.push(
        await measure(() => pipeline(turn, 1, (index) => addPods(client, switchUuid, ours.slice(index, index + 1)))),
      );
      await client.close();
      const texts = makePods(turn).map((pod) => request(rawOperations(pod, switchUuid)));
      const raw = await openRaw(endpoint.slice(5), true);
      rawTurns.push(await measure(() => pipeline(turn, 1, (index) => raw.send(texts[index] ?? ""))));
      raw.close();
    }
    results.push({ rawMs: best(rawTurns).wallMs / turn, oursMs: best(ourTurns).wallMs / turn });
  }
  const [small, large] = results;
  return {
    members,
    rawMs: [small?.rawMs ?? Number.NaN, large?.rawMs ?? Number.NaN],
    oursMs: [small?.oursMs ?? Number.NaN, large?.oursMs ?? Number.NaN],
  };
}

/** Runs all modes, each on a fresh standalone ovsdb-server. Needs the NB schema of OVN and ovsdb-server. */
export async function benchClient(options: BenchOptions = {}): Promise<BenchFigures> {
  const schemaFile = options.schemaFile ?? "/usr/share/ovn/ovn-nb.ovsschema";
  const rounds = options.rounds ?? 5;
  const buildAhead = options.buildAhead ?? true;
  const onServer = async <T>(act: (endpoint: string) => Promise<T>): Promise<T> => {
    const server = await startOvsdbServer({ schemaFile });
    try {
      return await act(server.endpoint);
    } finally {
      await server.stop();
    }
  };
  return {
    oneAtATime: await onServer((endpoint) =>
      benchMode(endpoint, { pods: options.oneAtATime ?? 4000, batch: 1, width: 1, buildAhead }, rounds),
    ),
    inFlight64: await onServer((endpoint) =>
      benchMode(endpoint, { pods: options.inFlight ?? 8000, batch: 1, width: 64, buildAhead }, rounds),
    ),
    batchOf100: await onServer((endpoint) =>
      benchMode(endpoint, { pods: options.batched ?? 20_000, batch: 100, width: 1, buildAhead }, rounds),
    ),
    batchOf100InFlight4: await onServer((endpoint) =>
      benchMode(endpoint, { pods: options.batched ?? 20_000, batch: 100, width: 4, buildAhead }, rounds),
    ),
    initialSync: await onServer((endpoint) => benchInitialSync(endpoint, options.ports ?? 50_000, rounds)),
    addToSet: await onServer((endpoint) => benchAddToSet(endpoint, [10, 10_000])),
  };
}

if (import.meta.main) {
  const figures = await benchClient();
  if (process.argv.includes("--json")) console.log(JSON.stringify(figures, undefined, 2));
  else {
    const { initialSync, addToSet, ...modes } = figures;
    console.table(
      Object.fromEntries(
        Object.entries(modes).map(([mode, { raw, ours, ratio }]) => [
          mode,
          {
            "raw pods/s": Math.round(raw.podsPerSecond),
            "ours pods/s": Math.round(ours.podsPerSecond),
            ratio: Number(ratio.toFixed(2)),
            "raw CPU ms/pod": Number(raw.cpuMsPerPod.toFixed(4)),
            "ours CPU ms/pod": Number(ours.cpuMsPerPod.toFixed(4)),
          },
        ]),
      ),
    );
    console.log(initialSync, addToSet);
  }
}
