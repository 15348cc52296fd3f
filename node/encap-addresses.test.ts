import { describe, expect, it } from "vitest";
import { encapAddresses } from "./encap-addresses.ts";

const onNode = ["10.0.0.11/24", "172.19.0.11/24", "fd19::11/64"];

describe("the addresses of tunnels", () => {
  it.each([
    ["are as they are given", "192.0.2.1,192.0.2.2", "192.0.2.1,192.0.2.2"],
    ["are the node's own in a network, so that all nodes can be told the same", "172.19.0.0/16", "172.19.0.11"],
    ["may be of several networks", "172.19.0.0/16,fd19::/64", "172.19.0.11,fd19::11"],
    ["are each named once", "10.0.0.11,10.0.0.0/24", "10.0.0.11"],
    ["are not known as long as one of them is missing", "10.0.0.0/24,172.20.0.0/16", undefined],
  ])("%s", (_, wanted, expected) => {
    expect(encapAddresses(wanted, onNode)).toBe(expected);
  });
});
