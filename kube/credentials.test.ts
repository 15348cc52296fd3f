import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { credentialFileLifetimeMs, fileCredentials } from "./credentials.ts";

let folder: string;
let tokenFile: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "credentials-"));
  tokenFile = join(folder, "token");
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe("credentials from files", () => {
  it("are read again after a minute, or when they were refused", () => {
    let now = 0;
    writeFileSync(tokenFile, "one\n");
    const credentials = fileCredentials({ tokenFile }, { certificate: "CERT" }, () => now);
    expect(credentials.current()).toEqual({ authorization: "Bearer one", certificate: "CERT" });
    writeFileSync(tokenFile, "two");
    expect(credentials.current()).toMatchObject({ authorization: "Bearer one" });
    now = credentialFileLifetimeMs;
    expect(credentials.current()).toMatchObject({ authorization: "Bearer two" });
    writeFileSync(tokenFile, "three");
    credentials.invalidate();
    expect(credentials.current()).toMatchObject({ authorization: "Bearer three" });
  });

  it("outlast a file that is away for a moment", () => {
    writeFileSync(tokenFile, "one");
    const credentials = fileCredentials({ tokenFile }, {});
    credentials.current();
    rmSync(tokenFile);
    credentials.invalidate();
    expect(credentials.current()).toEqual({ authorization: "Bearer one" });
  });

  it("that were never there are CREDENTIALS_FAILED", () => {
    const credentials = fileCredentials({ tokenFile }, {});
    expect(() => credentials.current()).toThrow(expect.objectContaining({ code: "CREDENTIALS_FAILED" }));
  });
});
