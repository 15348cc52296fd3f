import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { type DatabaseFlags, databaseArguments } from "./endpoints.ts";

const run = promisify(execFile);
const timeoutSeconds = 10;

/**
 * Of which northbound row a southbound flow is made: the first eight digits of its UUID (`external_ids:stage-hint` of
 * Logical_Flow, ovn-sb(5)).
 * @param uuid of the flow, or its beginning, as ovn-trace shows it
 * @returns undefined when there is no such flow, it is of no row, or the database can't be asked from here
 */
export async function stageHint(uuid: string, database: DatabaseFlags): Promise<string | undefined> {
  const command = [
    ...["--no-leader-only", "-vconsole:off", `--timeout=${timeoutSeconds}`, ...databaseArguments(database)],
    ...["--bare", "--columns=external_ids", "list", "Logical_Flow", uuid],
  ];
  try {
    const { stdout } = await run("ovn-sbctl", command);
    return /\bstage-hint="?([0-9a-f]{8})\b/.exec(stdout)?.[1];
  } catch (error) {
    // Without the tool, the database or the flow there is simply no hint.
    if (error instanceof Error && "code" in error) return undefined;
    throw error;
  }
}
