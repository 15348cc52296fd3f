import { differs, traces } from "../../../cli/trace.ts";
import type { BatchAnswer } from "../../../controller/serve/policy-api.ts";
import type { Lab } from "../../../lab/index.ts";
import { centralFiles } from "../../../lab/supervisor/plan.ts";
import { outsideAddresses } from "../../policies/scene.ts";
import { type PlannedProbe, podOf } from "./probes.ts";

/** The question that `why` is asked about a probe. */
function queryOf({ ask: { from, to, protocol, port }, family, answer }: PlannedProbe) {
  const own = to.startsWith("own:") ? answer.packet.destination.address : to;
  return {
    ...{ from: podOf(from), protocol, to: to === "outside" ? outsideAddresses[family] : own },
    ...(port === undefined ? {} : { port }),
  };
}

/** @throws Error when the controller gives no answers */
async function askBatch(lab: Lab, probes: readonly PlannedProbe[], flows: boolean): Promise<readonly BatchAnswer[]> {
  const text = await lab.exec(
    "central",
    ["curl", "-sS", "--max-time", "10", "--data-binary", "@-", "http://127.0.0.1:9440/v1/why"],
    { input: JSON.stringify({ queries: probes.map(queryOf), flows }) },
  );
  const { answers } = JSON.parse(text) as { readonly answers?: readonly BatchAnswer[] };
  if (answers === undefined) throw new Error(`why was not answered: ${text.slice(0, 500)}`);
  return answers;
}

const versions = { ipv4: 4, ipv6: 6 } as const;

/** Asks `why` about each probe. @returns what it says otherwise than the specifications, in words */
export async function differencesOfWhy(lab: Lab, probes: readonly PlannedProbe[]): Promise<readonly string[]> {
  const answers = await askBatch(lab, probes, false);
  return probes.flatMap((probe, position) => {
    const answer = answers[position];
    const paths = answer === undefined || !("paths" in answer) ? [] : answer.paths;
    const ofFamily = paths.filter(({ family }) => family === versions[probe.family]);
    const expected = probe.answer.allowed ? "allowed" : "denied";
    if (ofFamily.length === 1 && ofFamily[0]?.verdict === expected) return [];
    const { from, to, protocol, port } = queryOf(probe);
    return [
      `${from} > ${to} ${protocol} ${port ?? ""} ${probe.family} is ${expected}, why says ${JSON.stringify(answer)}`,
    ];
  });
}

/** Has `ovn-trace` follow some probes through the southbound database. @returns how many it could, and what differs */
export async function differencesOfTraces(
  lab: Lab,
  probes: readonly PlannedProbe[],
): Promise<{ readonly traced: number; readonly differences: readonly string[] }> {
  const answers = await askBatch(lab, probes, true);
  const sb = `unix:${centralFiles(lab.layout).southboundSocket}`;
  const found = await Promise.all(
    probes.map(async ({ family }, position) => {
      const answer = answers[position];
      if (answer === undefined || !("paths" in answer)) return [];
      return traces({ ...answer, paths: answer.paths.filter((path) => path.family === versions[family]) }, { sb });
    }),
  );
  const all = found.flat();
  return {
    traced: all.filter(({ trace }) => trace !== undefined).length,
    differences: all.filter(differs).map((trace) => JSON.stringify(trace)),
  };
}
