import type { BenchFigures as ControllerFigures } from "../../controller/bench.ts";
import type { PolicyFigures } from "../../controller/bench-policies.ts";
import type { ServiceFigures } from "../../controller/bench-services.ts";
import type { BenchFigures as ClientFigures } from "../../ovsdb-client-ts/bench.ts";
import type { AnnouncementFigures } from "./announce.ts";
import type { CniFigures } from "./cni.ts";
import type { PolicyLatencyFigures } from "./policy-latency.ts";

/** Figures as rows of text; the first row is the heading. */
export type Table = readonly (readonly string[])[];

const ms = (value: number) => `${value.toFixed(value < 10 ? 2 : 0)} ms`;
const count = (value: number) => Math.round(value).toLocaleString("en");
const percent = (value: number) => `${(value * 100).toFixed(0)} %`;

export function clientTables(figures: ClientFigures): readonly Table[] {
  const modes = [
    ["one at a time", figures.oneAtATime],
    ["64 in flight", figures.inFlight64],
    ["batch of 100", figures.batchOf100],
    ["batch of 100, 4 in flight", figures.batchOf100InFlight4],
  ] as const;
  const { initialSync, addToSet } = figures;
  const [few, many] = addToSet.members;
  return [
    [
      ["pods", "raw, pods/s", "ours, pods/s", "ratio", "raw CPU per pod", "our CPU per pod"],
      ...modes.map(([name, { raw, ours, ratio }]) => [
        name,
        count(raw.podsPerSecond),
        count(ours.podsPerSecond),
        percent(ratio),
        ms(raw.cpuMsPerPod),
        ms(ours.cpuMsPerPod),
      ]),
    ],
    [
      ["initial sync", "raw wall", "our wall", "ratio", "raw CPU", "our CPU", "heap per row"],
      [
        `${count(initialSync.ports)} ports`,
        ms(initialSync.raw.wallMs),
        ms(initialSync.ours.wallMs),
        percent(initialSync.ratio),
        ms(initialSync.raw.cpuMs),
        ms(initialSync.ours.cpuMs),
        initialSync.heapBytesPerRow === undefined ? "–" : `${count(initialSync.heapBytesPerRow)} B`,
      ],
    ],
    [
      ["one member more in a set of", count(few), count(many)],
      ["raw", ...addToSet.rawMs.map(ms)],
      ["ours", ...addToSet.oursMs.map(ms)],
    ],
  ];
}

export function controllerTables({ scenarios }: ControllerFigures): readonly Table[] {
  return [
    [
      ["pods / nodes", "pods/s", "raw, pods/s", "ratio", "CPU per pod", "one pod p50 / p99", "heap per pod"],
      ...scenarios.map((scenario) => [
        `${count(scenario.pods)} / ${scenario.nodes}`,
        count(scenario.throughput.podsPerSecond),
        count(scenario.rawPodsPerSecond),
        percent(scenario.ratioToRaw),
        ms(scenario.throughput.cpuMsPerPod),
        `${ms(scenario.single.p50Ms)} / ${ms(scenario.single.p99Ms)}`,
        `${count(scenario.heapBytesPerPod)} B`,
      ]),
    ],
    [
      ["restart with", "ready after", "operations"],
      ...scenarios.map(({ pods, restart }) => [`${count(pods)} pods`, ms(restart.readyMs), count(restart.operations)]),
    ],
  ];
}

export function serviceTables(figures: ServiceFigures): readonly Table[] {
  const { load, endpointChange, nodeAdded, restart } = figures;
  const perChange = Object.entries(endpointChange.operations).map(([name, total]) => `${count(total)} ${name}`);
  return [
    [
      [
        "services × endpoints of each family / nodes",
        "loaded in",
        "raw",
        "ratio",
        "CPU per service",
        "heap per service",
      ],
      [
        `${count(figures.services)} × ${figures.endpoints} / ${figures.nodes}`,
        ms(load.wallMs),
        ms(figures.rawMs),
        percent(figures.ratioToRaw),
        ms(load.cpuMs / figures.services),
        `${count(figures.heapBytesPerService)} B`,
      ],
    ],
    [
      ["on top of that", "p50 / p99", "operations", "rows of services"],
      [
        `${endpointChange.changes} times one endpoint for another, one after another`,
        `${ms(endpointChange.p50Ms)} / ${ms(endpointChange.p99Ms)}`,
        perChange.join(", "),
        "each mutates a key",
      ],
      ["one node more", "", count(nodeAdded.operations), count(nodeAdded.serviceRows)],
      ["restart", `ready after ${ms(restart.readyMs)}`, count(restart.operations), "0"],
    ],
  ];
}

export function policyTables(figures: PolicyFigures): readonly Table[] {
  const { load, podAdded, podRelabelled, policyAdded, restart } = figures;
  const pace = ({ p50Ms, p99Ms }: { readonly p50Ms: number; readonly p99Ms: number }) => `${ms(p50Ms)} / ${ms(p99Ms)}`;
  const each = (operations: Readonly<Record<string, number>>) =>
    Object.entries(operations)
      .map(([name, times]) => `${Number(times.toFixed(2))} ${name}`)
      .join(", ");
  return [
    [
      ["pods / policies / namespaces / nodes", "loaded in", "CPU", "transactions", "heap per pod", "heap per policy"],
      [
        `${count(figures.pods)} / ${count(figures.policies)} / ${figures.namespaces} / ${figures.nodes}`,
        ms(load.wallMs),
        ms(load.cpuMs),
        count(load.transactions),
        `${count(figures.heapBytesPerPod)} B`,
        `${count(figures.heapBytesPerPolicy)} B`,
      ],
    ],
    [
      ["on top of that, one after another", "p50 / p99", "operations each", "members changed in any set"],
      ["a pod more", pace(podAdded), each(podAdded.operations), `${podAdded.mostMembersChanged}`],
      ["a pod relabelled", pace(podRelabelled), each(podRelabelled.operations), `${podRelabelled.mostMembersChanged}`],
      ["a policy over selectors in use", pace(policyAdded), each(policyAdded.operations), ""],
      ["restart", `ready after ${ms(restart.readyMs)}`, count(restart.operations), "0"],
    ],
  ];
}

export function announceTables(figures: AnnouncementFigures): readonly Table[] {
  return [
    [
      ["pods / nodes", "annotated, pods/s", "raw PATCHes/s of the API", "ratio", "controller RSS", "API RSS"],
      [
        `${count(figures.pods)} / ${figures.nodes}`,
        count(figures.podsPerSecond),
        count(figures.rawPatchesPerSecond),
        percent(figures.podsPerSecond / figures.rawPatchesPerSecond),
        `${count(figures.controllerRssBytes / 1e6)} MB`,
        `${count(figures.apiRssBytes / 1e6)} MB`,
      ],
    ],
  ];
}

export function cniTables(figures: CniFigures): readonly Table[] {
  const row = (name: string, { p50Ms, p99Ms, maxMs }: CniFigures["add"]) => [name, ms(p50Ms), ms(p99Ms), ms(maxMs)];
  return [
    [
      [`${figures.calls} calls, one after another`, "p50", "p99", "max"],
      row("ADD, as the runtime sees it", figures.add),
      row("ADD, inside the agent", figures.agentAdd),
      row("DEL, as the runtime sees it", figures.del),
      row("the plugin's exec alone (VERSION)", figures.version),
      row("pod created to Ready", figures.podReady),
    ],
  ];
}

export function policyLatencyTables(figures: PolicyLatencyFigures): readonly Table[] {
  const samples = { added: figures.rounds, changed: 2 * figures.rounds, removed: figures.rounds };
  return [
    [
      [`${count(figures.pods)} pods, ${count(figures.policies)} policies`, "times", "p50", "p99", "max"],
      ...Object.entries(figures.latencies).flatMap(([direction, latencies]) =>
        (["added", "changed", "removed"] as const).map((change) => {
          const { p50Ms, p99Ms, maxMs } = latencies[change];
          return [`${direction}, policy ${change}`, count(samples[change]), ms(p50Ms), ms(p99Ms), ms(maxMs)];
        }),
      ),
    ],
  ];
}

export function toMarkdown(tables: readonly Table[]): string {
  return tables
    .map(([heading = [], ...rows]) =>
      [heading, heading.map((_, column) => (column === 0 ? "---" : "---:")), ...rows]
        .map((cells) => `| ${cells.join(" | ")} |`)
        .join("\n"),
    )
    .join("\n\n");
}

export function toText(title: string, tables: readonly Table[]): string {
  const blocks = tables.map((table) => {
    const widths = (table[0] ?? []).map((_, column) => Math.max(...table.map((cells) => (cells[column] ?? "").length)));
    return table
      .map((cells) =>
        cells
          .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
          .join("  "),
      )
      .join("\n");
  });
  return [title, ...blocks].join("\n\n");
}
