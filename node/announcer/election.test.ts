import { describe, expect, it } from "vitest";
import { candidatesOf, electAnnouncer, mostCandidates, type Standing } from "./election.ts";

const nodes = ["node-a", "node-b", "node-c", "node-d"];
const addresses = Array.from({ length: 2_000 }, (_, index) => `192.0.${index >> 8}.${index & 255}`);
const settled = (): Standing => "settled";
const without =
  (gone: string) =>
  (node: string): Standing =>
    node === gone ? "gone" : "settled";

describe("the election of an address's announcer", () => {
  it("comes to the same result whatever order the candidates are in", () => {
    for (const address of addresses.slice(0, 100)) {
      expect(electAnnouncer(address, nodes.toReversed(), settled)).toBe(electAnnouncer(address, nodes, settled));
    }
  });

  it("moves only the addresses of the node that is gone, to all the others", () => {
    const before = new Map(addresses.map((address) => [address, electAnnouncer(address, nodes, settled)]));
    const heirs = new Set<string | undefined>();
    for (const address of addresses) {
      const after = electAnnouncer(address, nodes, without("node-b"));
      if (before.get(address) === "node-b") heirs.add(after);
      else expect(after).toBe(before.get(address));
    }
    expect([...heirs].sort()).toEqual(["node-a", "node-c", "node-d"]);
  });

  it("spreads addresses evenly, also addresses in a row", () => {
    for (const node of nodes) {
      const share = addresses.filter((address) => electAnnouncer(address, nodes, settled) === node).length;
      expect(share / addresses.length).toBeGreaterThan(0.2);
      expect(share / addresses.length).toBeLessThan(0.3);
    }
  });

  it("prefers settled nodes, and takes those that are joining where there are no others", () => {
    const standing = (node: string): Standing => (node === "node-c" ? "settled" : "joining");
    expect(electAnnouncer("192.0.2.1", nodes, standing)).toBe("node-c");
    expect(nodes).toContain(electAnnouncer("192.0.2.1", nodes, () => "joining"));
    expect(electAnnouncer("192.0.2.1", nodes, () => "gone")).toBeUndefined();
  });

  it("has the same few candidates for all addresses of a pool, whatever order the nodes are told in", () => {
    const many = Array.from({ length: 500 }, (_, index) => `node-${index}`);
    const chosen = candidatesOf("blue", many);
    expect(chosen).toHaveLength(mostCandidates);
    expect(candidatesOf("blue", many.toReversed())).toEqual(chosen);
    expect(candidatesOf("green", many)).not.toEqual(chosen);
  });
});
