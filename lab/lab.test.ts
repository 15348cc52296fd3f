import { describe, expect, it } from "vitest";
import { differencesOf } from "./lab.ts";
import { labConfig } from "./topology/layout.ts";

describe("a running lab", () => {
  const config = labConfig.parse({ name: "a", nodes: 5, families: ["ipv4", "ipv6"], apiPort: 1, demoPods: true });

  it("is what was asked for where nothing else was said", () => {
    expect(differencesOf(config, {})).toEqual([]);
    expect(differencesOf(config, { nodes: 5, families: ["ipv6", "ipv4"], demoPods: true })).toEqual([]);
  });

  it("differs in what was said otherwise", () => {
    expect(differencesOf(config, { nodes: 3, families: ["ipv6"] })).toEqual(["5 nodes", "ipv4 and ipv6"]);
    expect(differencesOf(config, { trunk: true })).toEqual(["no trunk"]);
    expect(differencesOf(config, { kubeconfig: "k", demoPods: false })).toEqual([
      "the API of its own",
      "demonstration pods",
    ]);
  });
});
