import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describeSchema } from "./generator/describe-schema.ts";
import { emitModel, type ModelNames } from "./generator/emit-model.ts";

/** A model that is generated: where its schema lies on a machine with OVN installed, and what it becomes. */
export interface GeneratedModel extends ModelNames {
  readonly schemaPath: string;
  readonly file: string;
}

export const generatedModels: readonly GeneratedModel[] = [
  {
    schemaPath: "/usr/share/ovn/ovn-nb.ovsschema",
    file: "northbound.ts",
    model: "OvnNorthbound",
    metadata: "northboundMetadata",
  },
  {
    schemaPath: "/usr/share/ovn/ovn-sb.ovsschema",
    file: "southbound.ts",
    model: "OvnSouthbound",
    metadata: "southboundMetadata",
  },
  {
    schemaPath: "/usr/share/openvswitch/vswitch.ovsschema",
    file: "open-vswitch.ts",
    model: "OpenVswitch",
    metadata: "openVswitchMetadata",
  },
];

/** The module's text for one schema file. */
export function generate({ schemaPath, ...names }: GeneratedModel): string {
  return emitModel(describeSchema(readFileSync(schemaPath, "utf8")), names);
}

/** The file in the repo that holds the module. */
export function generatedPath({ file }: GeneratedModel): string {
  return join(import.meta.dirname, "generated", file);
}

if (import.meta.main) {
  // Paths given on the command line take the place of the default ones, in the order northbound, southbound, switch.
  const paths = process.argv.slice(2);
  for (const [position, model] of generatedModels.entries()) {
    const chosen = { ...model, schemaPath: paths[position] ?? model.schemaPath };
    writeFileSync(generatedPath(chosen), generate(chosen));
  }
}
