import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ovsdbErrorCodes, serverError } from "./errors.ts";

it("README's table of codes and the code agree", () => {
  const readme = readFileSync(join(import.meta.dirname, "README.md"), "utf8");
  const documented = Object.fromEntries(
    [...readme.matchAll(/^\| `([A-Z_]+)` *\| (.+?) *\|$/gm)].map(([, code, text]) => [code, text]),
  );
  expect(documented).toEqual(ovsdbErrorCodes);
});

it("a server's error becomes a code, with what it said in the message and the details", () => {
  const said = { error: "constraint violation", details: "name is taken", syntax: '"x"' };
  const error = serverError(said, "Operation 3 (insert) failed", 3);
  expect(error).toMatchObject({ code: "CONSTRAINT_VIOLATION", operationIndex: 3, details: said });
  expect(error.message).toBe('Operation 3 (insert) failed: constraint violation: name is taken ("x")');
  expect(serverError("a new kind", "transact").code).toBe("SERVER_ERROR");
  expect(serverError(42, "transact").code).toBe("SERVER_ERROR");
});
