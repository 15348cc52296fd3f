import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { generate, generatedModels, generatedPath } from "./generate.ts";
import { describeSchema } from "./generator/describe-schema.ts";
import { emitModel } from "./generator/emit-model.ts";

describe("the generated models", () => {
  for (const model of generatedModels) {
    // The committed models are those of OVN 23.03 and OVS 3.1; another version's schema gives another text.
    const installed = existsSync(model.schemaPath)
      ? describeSchema(readFileSync(model.schemaPath, "utf8")).version
      : undefined;
    const committed = readFileSync(generatedPath(model), "utf8");
    const ours = /schema of \S+ (\S+)\. Do not edit/.exec(committed)?.[1];
    it.runIf(installed === ours)(`${model.file} is what the installed schema gives`, () => {
      expect(generate(model)).toBe(committed);
    });
  }

  it("map every kind of column to its type", () => {
    const text = emitModel(
      describeSchema(
        JSON.stringify({
          name: "Sample",
          version: "1.2.3",
          tables: {
            Gate_Post: {
              isRoot: true,
              maxRows: 1,
              indexes: [["name"], ["name", "port"]],
              columns: {
                name: { type: "string", mutable: false },
                port: { type: { key: { type: "integer", minInteger: 0, maxInteger: 65535 } } },
                counter: { type: { key: "integer", min: 0, max: 1 }, ephemeral: true },
                hinge: {
                  type: { key: { type: "uuid", refTable: "Hinge", refType: "weak" }, min: 0, max: "unlimited" },
                },
                colour: { type: { key: { type: "string", enum: ["set", ["red", "green"]] } } },
                labels: { type: { key: "string", value: "real", min: 0, max: "unlimited" } },
              },
            },
            Hinge: { columns: { open: { type: { key: "boolean", min: 1, max: 2 } } } },
          },
        }),
      ),
      { model: "Sample", metadata: "sampleMetadata" },
    );
    expect(
      text,
    ).toContain(`/** A row of \`Gate_Post\`. Root table; at most 1 row; unique by name; unique by name, port. */
export interface GatePost {
  readonly _uuid: Uuid;
  readonly colour: "red" | "green";
  /** Ephemeral. */
  readonly counter: number | bigint | undefined;
  /** Weak reference to Hinge. */
  readonly hinge: ReadonlySet<Uuid>;
  readonly labels: ReadonlyMap<string, number>;
  /** Given on insert only. */
  readonly name: string;
  /** 0 to 65535. */
  readonly port: number;
}

/** A row of \`Hinge\`. Goes when no strong reference names it. */
export interface Hinge {
  readonly _uuid: Uuid;
  /** At least 1; at most 2. */
  readonly open: ReadonlySet<boolean>;
}
`);
    expect(text).toContain('hinge: { kind: "set", key: { type: "uuid", refTable: "Hinge", refType: "weak" } },\n');
    expect(text).toContain('open: { kind: "set", key: { type: "boolean" }, min: 1, max: 2 },\n');
  });

  it("say what is wrong with a schema that is none", () => {
    expect(() => describeSchema('{"name":"X","version":"1","tables":{"T":{"columns":{"c":{"type":"text"}}}}}')).toThrow(
      /T\.c/,
    );
  });
});
