import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "..", "..");

/** Which of our own rooms each room may import; the same table stands in DESIGN.md. `deploy` builds files, it imports none. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  "ovsdb-client-ts": [],
  "ovsdb-schemas": ["ovsdb-client-ts"],
  kube: [],
  controller: ["kube", "ovsdb-client-ts", "ovsdb-schemas"],
  node: ["kube", "ovsdb-client-ts", "ovsdb-schemas", "cni"],
  cni: [],
  cli: ["controller"],
  lab: ["ovsdb-client-ts", "ovsdb-schemas", "kube", "controller", "node", "cni", "deploy"],
  deploy: [],
};

const forbiddenFolders = new Set(["utils", "util", "common", "helpers", "lib"]);

/** Modules that the pure part of the controller may not reach: no I/O, clock, randomness, streams or client. */
const impure = /^(node:(?!net$)|rxjs|pino|undici|hono|@hono|prom-client|@kubernetes|ovsdb-client-ts)/;

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.name === "node_modules" || entry.name === "dist") return [];
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(path) : entry.name.endsWith(".ts") ? [path] : [];
  });
}

interface Import {
  readonly specifier: string;
  readonly typeOnly: boolean;
}

function importsOf(file: string): Import[] {
  const text = readFileSync(file, "utf8");
  const statements = text.matchAll(/^\s*(?:import|export)\s+(type\s+)?(?:[^"';]*?\sfrom\s+)?["']([^"']+)["']/gm);
  const dynamic = text.matchAll(/\bimport\(\s*["']([^"']+)["']\s*\)/g);
  return [
    ...[...statements].map((match) => ({ specifier: match[2] ?? "", typeOnly: match[1] !== undefined })),
    ...[...dynamic].map((match) => ({ specifier: match[1] ?? "", typeOnly: false })),
  ];
}

/** The room that a specifier leads to, or undefined when it is not one of ours. */
function roomOf(file: string, specifier: string): string | undefined {
  if (specifier.startsWith(".")) return relative(root, join(file, "..", specifier)).split(sep)[0];
  const name = specifier.replace(/^@ovenbird\//, "").split("/")[0] ?? "";
  return specifier.startsWith("@ovenbird/") || name in allowed ? name : undefined;
}

describe("the house", () => {
  for (const [room, mayImport] of Object.entries(allowed)) {
    it(`${room} imports only ${mayImport.length > 0 ? mayImport.join(", ") : "nothing of ours"}`, () => {
      const strays = filesBelow(join(root, room)).flatMap((file) =>
        importsOf(file)
          .map(({ specifier }) => ({ specifier, to: roomOf(file, specifier) }))
          .filter(({ to }) => to !== undefined && to !== room && !mayImport.includes(to))
          .map(({ specifier }) => `${relative(root, file)} imports ${specifier}`),
      );
      expect(strays).toEqual([]);
    });
  }

  it("cli takes from the controller nothing but types, so that it starts at once", () => {
    const strays = filesBelow(join(root, "cli")).flatMap((file) =>
      importsOf(file)
        .filter(({ specifier, typeOnly }) => !typeOnly && roomOf(file, specifier) === "controller")
        .map(({ specifier }) => `${relative(root, file)} imports ${specifier}`),
    );
    expect(strays).toEqual([]);
  });

  it("translation is pure", () => {
    const strays = filesBelow(join(root, "controller", "translate"))
      .filter((file) => !file.endsWith(".test.ts"))
      .flatMap((file) => [
        ...importsOf(file)
          .filter(({ specifier, typeOnly }) => !typeOnly && impure.test(specifier))
          .map(({ specifier }) => `${relative(root, file)} imports ${specifier}`),
        ...(/\b(Date\.now|new Date\(\)|Math\.random|process\.|console\.)/.test(readFileSync(file, "utf8"))
          ? [`${relative(root, file)} reads the clock, chance or the process`]
          : []),
      ]);
    expect(strays).toEqual([]);
  });

  it("no folder is a drawer for everything", () => {
    const folders = Object.keys(allowed).flatMap((room) =>
      readdirSync(join(root, room), { recursive: true, encoding: "utf8" })
        .filter((path) => !path.includes("node_modules") && statSync(join(root, room, path)).isDirectory())
        .map((path) => `${room}/${path}`),
    );
    expect(folders.filter((path) => forbiddenFolders.has(path.split("/").at(-1) ?? ""))).toEqual([]);
  });
});
