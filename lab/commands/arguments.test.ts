import { afterEach, describe, expect, it, vi } from "vitest";
import { labName, unknownCommand, userFolder, wholeNumber } from "./arguments.ts";
import { program } from "./program.ts";

afterEach(() => vi.unstubAllEnvs());

describe("the lab's command line", () => {
  it("says of an unknown command which there are", () => {
    expect(unknownCommand(program(), ["bogus", "--nodes", "2"])).toMatch(
      /^there is no command bogus: say up, down, .* or /,
    );
    for (const words of [[], ["--nodes", "2"], ["help"], ["--help"], ["down"]])
      expect(unknownCommand(program(), words)).toBeUndefined();
  });

  it("takes whole numbers of the range, and nothing that only begins like one", () => {
    expect(wholeNumber(1, 50)("3")).toBe(3);
    for (const text of ["0", "51", "abc", "3x", "-1", ""])
      expect(() => wholeNumber(1, 50)(text)).toThrow("It must be a number from 1 to 50.");
  });

  it("says in words what a name may be", () => {
    expect(labName("a-b")).toBe("a-b");
    expect(() => labName("Big_Lab")).toThrow(/^a lab's name is 1 to 15 lower-case letters/);
  });

  it("finds files where the user is, also under npm", () => {
    expect(userFolder()).toBe(process.cwd());
    vi.stubEnv("npm_lifecycle_event", "lab");
    vi.stubEnv("INIT_CWD", "/home/wren");
    expect(userFolder()).toBe("/home/wren");
  });
});
