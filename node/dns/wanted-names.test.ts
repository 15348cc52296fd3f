import { describe, expect, it } from "vitest";
import { projectNames } from "./wanted-names.ts";

const policy = (...to: readonly unknown[]) => ({ spec: { egress: [{ action: "Allow", to }] } });

describe("the names that a policy gives", () => {
  it("are those of its egress peers, each once, in lower case and without the dot at the end", () => {
    const peers = [{ domainNames: ["A.example.com.", "*.b.example.com"] }, { domainNames: ["a.example.com"] }];
    expect(projectNames(policy(...peers, { networks: ["192.0.2.0/24"] }))).toEqual([
      "a.example.com",
      "*.b.example.com",
    ]);
  });

  it.each([
    {},
    { spec: null },
    { spec: { egress: {} } },
    { spec: { egress: [null, { to: "all" }] } },
    policy(null, { domainNames: "a" }, { domainNames: [1, null, "a b", "*", "a.*.c", ""] }),
  ])("are none where %j can't be read", (raw) => expect(projectNames(raw)).toEqual([]));
});
