import { describe, expect, it } from "vitest";
import type { Link } from "../netlink/index.ts";
import { chooseUplinks, dependants } from "./choose-uplinks.ts";

const link = (name: string, index: number, more: Partial<Link> = {}): Link => ({
  index,
  name,
  mac: `02:00:00:00:00:0${index}`,
  mtuBytes: 1500,
  up: true,
  loopback: false,
  operState: "up",
  kind: undefined,
  alias: undefined,
  peerIndex: undefined,
  masterIndex: undefined,
  ...more,
});
const eth1 = link("eth1", 1);
const eth2 = link("eth2", 2);
const vlan = link("eth1.7", 3, { kind: "vlan", mac: "02:00:00:00:00:01", peerIndex: 1 });
const bridge = link("br-red", 4, { kind: "tun", mac: "02:00:00:00:00:01" });
const links = [bridge, vlan, eth1, eth2];
const chooseOf = (all: readonly Link[], wanted: string) => {
  const choice = chooseUplinks([[wanted]], all, () => false);
  return choice.kind === "found" && choice.links.map(({ name }) => name);
};
const choose = (...sets: string[][]) => {
  const choice = chooseUplinks(sets, links, (name) => name === "br-red");
  return choice.kind === "found" ? choice.links.map(({ name }) => name) : choice.message;
};

describe("the choice of uplinks", () => {
  it("is the first that the node has", () => {
    expect(choose(["eno1"], ["eth2"], ["eth1"])).toEqual(["eth2"]);
  });

  it("goes by hardware address too, past bridges and VLANs that bear the same one", () => {
    expect(choose(["02:00:00:00:00:01"])).toEqual(["eth1"]);
    expect(choose(["02:00:00:00:00:0A"], ["02:00:00:00:00:02"])).toEqual(["eth2"]);
  });

  it("is no bridge's device that is about to go", () => {
    for (const kind of ["tun", "openvswitch"])
      expect(chooseOf([{ ...bridge, kind }, eth1], "02:00:00:00:00:01")).toEqual(["eth1"]);
  });

  it("takes a set only in full, and no interface twice", () => {
    expect(choose(["eth1", "eth3"], ["eth1", "eth2"])).toEqual(["eth1", "eth2"]);
    expect(choose(["eth1", "02:00:00:00:00:01"])).toContain("none of the uplinks eth1+02:00:00:00:00:01");
  });

  it("stays with what is in use while that is there, though what is wanted more has come", () => {
    const all = (...inUse: string[]) => {
      const choice = chooseUplinks([["eth1"], ["eth2"], ["eth1", "eth2"]], links, (name) => name === "br-red", inUse);
      return choice.kind === "found" && choice.links.map(({ name }) => name);
    };
    expect(all("eth2")).toEqual(["eth2"]);
    expect(all("eth2", "eth1")).toEqual(["eth1", "eth2"]);
    expect(all("eth3")).toEqual(["eth1"]);
  });

  it("says what was looked for and what is there", () => {
    expect(choose(["eno1"], ["br-red"])).toBe(
      "this node has none of the uplinks eno1, br-red; it has eth1 (02:00:00:00:00:01), eth2 (02:00:00:00:00:02)",
    );
  });

  it("knows the devices that would fall silent with an uplink", () => {
    expect(dependants(eth1, links)).toEqual(["eth1.7"]);
    expect(dependants(eth2, links)).toEqual([]);
  });
});
