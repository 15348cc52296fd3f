import { type Lab, startLab } from "../../../lab/index.ts";
import { type Cluster, openCluster } from "../cluster.ts";
import { northboundOf } from "../network.ts";
import { createTruthTable, type TruthTable } from "./measure.ts";
import { createSettling, type Settling } from "./settle.ts";
import { buildTown, type LabTown } from "./town.ts";

/** A lab with the town in it, and the truth table that is held against it. */
export interface PolicyLab {
  readonly town: LabTown;
  readonly table: TruthTable;
  down(): Promise<void>;
}

/** @param prepare makes what has to be there before the town */
export async function startPolicyLab(name: string, prepare?: (cluster: Cluster) => Promise<void>): Promise<PolicyLab> {
  const lab: Lab = await startLab({ name, nodes: 2, demoPods: false });
  let cluster: Cluster | undefined;
  let settling: Settling | undefined;
  let table: TruthTable | undefined;
  const down = async (): Promise<void> => {
    if (table !== undefined) console.info(table.figures());
    await settling?.close();
    await cluster?.close();
    await lab.down();
  };
  try {
    cluster = await openCluster(lab.kubeconfig);
    await prepare?.(cluster);
    const town = await buildTown(lab, cluster);
    settling = await createSettling(northboundOf(lab), "default");
    table = await createTruthTable(lab, town, settling);
    return { town, table, down };
  } catch (error) {
    await down();
    throw error;
  }
}
