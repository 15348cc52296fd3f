import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { cliErrorCodes, program } from "../../cli/index.ts";
import { explainErrorCodes } from "../../controller/index.ts";

const read = (name: string) => readFileSync(join(import.meta.dirname, "..", "..", "docs", name), "utf8");
const document = read("why.md");
/** The commands are documented where what they ask about is. */
const commands = `${document}\n${read("addresses.md")}`;

const ovenbird = program(
  {
    out: () => undefined,
    error: () => undefined,
    exit: () => undefined,
    untilStopped: () => new AbortController().signal,
  },
  "0",
);

type Command = ReturnType<typeof program>;

/** Commands that do something, by their full names. */
function verbs(command: Command, path: readonly string[] = []): readonly (readonly [string, Command])[] {
  const here = [...path, command.name()];
  return command.commands.length === 0
    ? [[here.join(" "), command]]
    : command.commands.flatMap((each) => verbs(each, here));
}

/** What is between backticks at the beginning of each row of tables, where it matches. */
function cells(pattern: RegExp, text: string = document): string[] {
  return [...text.matchAll(/^\| `([^`]+)` \|/gm)].flatMap(([, cell = ""]) => pattern.exec(cell)?.[0] ?? []);
}

describe("docs/why.md", () => {
  it("has every command, and no other", () => {
    const shown = new Set(cells(/^ovenbird [a-z ]+/, commands).map((text) => text.trim()));
    expect([...shown].sort()).toEqual(
      verbs(ovenbird)
        .map(([name]) => name)
        .sort(),
    );
  });

  it("has every option, and no other", () => {
    const options = new Set(verbs(ovenbird).flatMap(([, command]) => command.options.map(({ long }) => long ?? "")));
    expect([...new Set(cells(/^--[a-z]+$/, commands))].sort()).toEqual([...options].sort());
  });

  it("has every variable, and no other", () => {
    const variables = verbs(ovenbird).flatMap(([, command]) => command.options.flatMap(({ envVar }) => envVar ?? []));
    const shown = [...document.matchAll(/`(OVENBIRD_[A-Z_]+)`/g)].map(([, name = ""]) => name);
    expect([...new Set(shown)].sort()).toEqual([...new Set(variables)].sort());
  });

  it("has every error code, and no other", () => {
    const codes = [...Object.keys(explainErrorCodes), ...Object.keys(cliErrorCodes)];
    expect(cells(/^[A-Z_]+$/).sort()).toEqual(codes.sort());
  });
});
