import { join } from "node:path";
import { attached, connectLab, placeOf } from "../lab.ts";
import { centralFiles } from "../supervisor/plan.ts";
import { type Layout, namespacePath, paths } from "../topology/layout.ts";
import { userFolder } from "./arguments.ts";

const program = join(import.meta.dirname, "..", "..", "cli", "main.ts");

/** Where `ovenbird` finds the lab's controller, databases and logs, when it runs in the namespace of `central`. */
export function ovenbirdEnvironment(layout: Layout): Record<string, string> {
  return {
    OVENBIRD_CONTROLLER: "http://127.0.0.1:9440",
    OVENBIRD_SB: `unix:${centralFiles(layout).southboundSocket}`,
    OVENBIRD_LOG_FILES: layout.nodes
      .map(({ name }) => join(paths(layout.folder).logs, `${name}.ovn-controller.log`))
      .join(),
  };
}

/** The command that runs `ovenbird` with the lab's endpoints. */
export function ovenbirdCommand(layout: Layout, args: readonly string[]): readonly string[] {
  return ["nsenter", `--net=${namespacePath(layout.central.namespace)}`, process.execPath, program, ...args];
}

/** `lab ovenbird`. @returns the exit status */
export async function ovenbird(args: readonly string[], { name }: { readonly name: string }): Promise<number> {
  // Help needs no lab that runs.
  if (args.includes("--help") || args.includes("-h")) {
    return attached(process.execPath, [program, ...args], {}, userFolder());
  }
  const { layout } = await connectLab({ name });
  const { env } = await placeOf(layout, "central");
  const [nsenter = "", ...rest] = ovenbirdCommand(layout, args);
  return attached(nsenter, rest, { ...env, ...ovenbirdEnvironment(layout) }, userFolder());
}
