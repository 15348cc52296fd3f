import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { benchController } from "../../controller/bench.ts";
import { benchPolicies } from "../../controller/bench-policies.ts";
import { benchServices } from "../../controller/bench-services.ts";
import { benchClient } from "../../ovsdb-client-ts/bench.ts";
import { benchAnnouncements } from "./announce.ts";
import { benchCni } from "./cni.ts";
import { benchPolicyLatency } from "./policy-latency.ts";
import {
  announceTables,
  clientTables,
  cniTables,
  controllerTables,
  policyLatencyTables,
  policyTables,
  serviceTables,
  type Table,
  toMarkdown,
  toText,
} from "./report.ts";

/** What `npm run bench` measures, each against the raw limit in the same run. */
const sections: Readonly<
  Record<string, { readonly title: string; readonly run: () => Promise<{ figures: object; tables: readonly Table[] }> }>
> = {
  client: {
    title: "OVSDB client",
    run: async () => {
      const figures = await benchClient();
      return { figures, tables: clientTables(figures) };
    },
  },
  controller: {
    title: "Controller: watch event to commit",
    run: async () => {
      const figures = await benchController({ onProgress: (text) => process.stderr.write(`  ${text}\n`) });
      return { figures, tables: controllerTables(figures) };
    },
  },
  services: {
    title: "Services: watch event to commit",
    run: async () => {
      const figures = await benchServices();
      return { figures, tables: serviceTables(figures) };
    },
  },
  policies: {
    title: "Policies: watch event to commit",
    run: async () => {
      const figures = await benchPolicies();
      return { figures, tables: policyTables(figures) };
    },
  },
  announce: {
    title: "Controller against the embedded API: one PATCH a pod",
    run: async () => {
      const figures = await benchAnnouncements();
      return { figures, tables: announceTables(figures) };
    },
  },
  "policy-latency": {
    title: "Policies: from the API server to the wire",
    run: async () => {
      const figures = await benchPolicyLatency();
      return { figures, tables: policyLatencyTables(figures) };
    },
  },
  cni: {
    title: "CNI in the lab",
    run: async () => {
      const figures = await benchCni();
      return { figures, tables: cniTables(figures) };
    },
  },
};

const record = join(import.meta.dirname, "..", "..", "docs", "performance.md");

/** Puts a section's tables between its marks in the document. */
function writeDown(name: string, markdown: string): void {
  const begin = `<!-- bench ${name} -->`;
  const end = `<!-- end ${name} -->`;
  const document = readFileSync(record, "utf8");
  const from = document.indexOf(begin);
  const to = document.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${record} has no place for ${name}: ${begin} … ${end}`);
  writeFileSync(record, `${document.slice(0, from + begin.length)}\n\n${markdown}\n\n${document.slice(to)}`);
}

const usage = `Measures Ovenbird against the raw limits of this machine, and says so as ratios.

npm run bench -- [${Object.keys(sections).join("|")} …] [--json] [--record]

  --json    print the figures as JSON
  --record  write the tables into docs/performance.md
`;

async function bench(names: readonly string[], options: { readonly json: boolean; readonly record: boolean }) {
  const all: Record<string, object> = {};
  for (const name of names.length > 0 ? names : Object.keys(sections)) {
    const section = sections[name];
    if (section === undefined) throw new Error(`there is no section ${name}\n\n${usage}`);
    process.stderr.write(`${section.title} …\n`);
    const { figures, tables } = await section.run();
    all[name] = figures;
    if (!options.json) process.stdout.write(`\n${toText(section.title, tables)}\n`);
    const processor = `${cpus().length} × ${cpus()[0]?.model.trim()}`;
    const where = `${new Date().toISOString().slice(0, 10)}, ${processor}, Node ${process.versions.node}`;
    if (options.record) writeDown(name, `\`npm run bench -- ${name}\` (${where})\n\n${toMarkdown(tables)}`);
  }
  if (options.json) process.stdout.write(`${JSON.stringify(all, undefined, 2)}\n`);
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "boolean", default: false },
    record: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (values.help) process.stdout.write(usage);
else await bench(positionals, values);
