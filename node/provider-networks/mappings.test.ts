import { describe, expect, it } from "vitest";
import { chassisMac, foreignMapping, mappingChanges } from "./mappings.ts";

const mac = (network: string) => chassisMac("chassis-a", network);
const apply = (before: ReadonlyMap<string, string>, wanted: Readonly<Record<string, string>>) => {
  const { insert, remove } = mappingChanges(before, "chassis-a", new Map(Object.entries(wanted)));
  const after = new Map([...before, ...Object.entries(insert)]);
  for (const key of remove) after.delete(key);
  return after;
};
const theirs = new Map([["ovn-bridge-mappings", "physnet:br-ex,lan:br-lan"]]);

describe("the mappings of provider networks", () => {
  it("stand beside those of others, and go without a trace", () => {
    const both = apply(theirs, { red: "br-red", blue: "br-blue" });
    expect(Object.fromEntries(both)).toEqual({
      "ovn-bridge-mappings": "physnet:br-ex,lan:br-lan,red:br-red,blue:br-blue",
      "ovn-chassis-mac-mappings": `red:${mac("red")},blue:${mac("blue")}`,
      "ovenbird.io/provider-networks": "blue,red",
    });
    expect(apply(both, { blue: "br-ex" }).get("ovn-bridge-mappings")).toBe("physnet:br-ex,lan:br-lan,blue:br-ex");
    expect(apply(both, {})).toEqual(theirs);
  });

  it("are not written again", () => {
    const red = apply(theirs, { red: "br-red" });
    expect(mappingChanges(red, "chassis-a", new Map([["red", "br-red"]]))).toEqual({ insert: {}, remove: [] });
    expect(mappingChanges(theirs, "chassis-a", new Map())).toEqual({ insert: {}, remove: [] });
  });

  it("are told apart from those that others have made", () => {
    const red = apply(theirs, { red: "br-red" });
    expect(foreignMapping(red, "lan")).toBe("br-lan");
    expect(foreignMapping(red, "red")).toBeUndefined();
    expect(foreignMapping(red, "none")).toBeUndefined();
  });

  it("have hardware addresses that are the chassis' own, and no multicast", () => {
    expect(mac("red")).toMatch(/^0a(:[0-9a-f]{2}){5}$/);
    expect(new Set([mac("red"), mac("blue"), chassisMac("chassis-b", "red")]).size).toBe(3);
  });
});
