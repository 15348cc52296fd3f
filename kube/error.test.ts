import { describe, expect, it } from "vitest";
import { errorOfStatus, isKubeError, KubeError } from "./error.ts";
import { statusOf } from "./testing/http-server.ts";

describe("an error", () => {
  it("has the code of the Status' reason, its message, details and wait", () => {
    const error = errorOfStatus(429, statusOf(429, "TooManyRequests", "slow down", { retryAfterSeconds: 3 }), "GET /x");
    expect(error).toMatchObject({
      code: "TOO_MANY_REQUESTS",
      status: 429,
      reason: "TooManyRequests",
      message: "GET /x: slow down",
      retryAfterMs: 3000,
    });
  });

  it.each([
    ["Expired", 410, "GONE"],
    ["Gone", 410, "GONE"],
    ["AlreadyExists", 409, "ALREADY_EXISTS"],
    ["Conflict", 409, "CONFLICT"],
    ["Invalid", 422, "INVALID"],
    ["Timeout", 504, "SERVER_TIMEOUT"],
    ["NeverHeardOf", 404, "NOT_FOUND"],
    ["NeverHeardOf", 418, "UNEXPECTED_STATUS"],
  ])("of reason %s with status %i is %s", (reason, status, code) => {
    expect(errorOfStatus(status, statusOf(status, reason, "why"), "GET /x").code).toBe(code);
  });

  it("goes by the HTTP status where the body is no Status", () => {
    for (const body of [undefined, null, "<html>", { reason: "Conflict" }, []]) {
      expect(errorOfStatus(503, body, "GET /x")).toMatchObject({
        code: "UNAVAILABLE",
        message: "GET /x: HTTP status 503",
      });
    }
  });

  it("in a watch takes the status from the object", () => {
    expect(errorOfStatus(0, statusOf(410, "", "too old"), "WATCH /x")).toMatchObject({ code: "GONE", status: 410 });
  });

  it("is told by its code", () => {
    const error: unknown = new KubeError("CONFLICT", "changed");
    expect([isKubeError(error), isKubeError(error, "GONE", "CONFLICT"), isKubeError(error, "GONE")]).toEqual([
      true,
      true,
      false,
    ]);
    expect(isKubeError(new Error("CONFLICT"), "CONFLICT")).toBe(false);
  });
});
