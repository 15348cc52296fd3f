import { expect, it } from "vitest";
import { parseNetworkConfig } from "./network-config.ts";
import { readSubnetClaims } from "./subnet-restore.ts";

const config = parseNetworkConfig({});
if (config.kind === "invalid") throw new Error(JSON.stringify(config.problems));
const { network } = config;

const annotation = (uid: string, address: string) =>
  JSON.stringify({
    uid,
    port: "a_1",
    addresses: [`${address}/24`],
    gateways: ["10.0.0.1"],
    mac: "0a:58:0a:00:00:02",
    mtuBytes: 1400,
    subnet: "s",
    infrastructure: ["100.81.0.2", "fd97::1:2"],
  });

const pod = (key: string, networkAnnotation: string | undefined) => ({
  key,
  uid: `uid-${key}`,
  nodeName: "n1",
  hostNetwork: false,
  finished: false,
  networkAnnotation,
});

const row = (key: string, uid: string, subnet: string | undefined = "s") => ({
  owner: `Pod/${key}`,
  addresses: ["0a:58:0a:00:00:02 10.0.0.2 100.81.0.2 fd97::1:2"],
  uid,
  subnet,
});

it("reads what a pod's port and annotation agree on, and each alone", () => {
  const { holdings } = readSubnetClaims(network, {
    rows: [row("a/1", "uid-a/1"), row("a/2", "uid-a/2"), row("a/4", "uid of another"), row("a/5", "x", undefined)],
    routerPorts: [],
    pods: [
      pod("a/1", annotation("uid-a/1", "10.0.0.2")),
      pod("a/2", undefined),
      pod("a/3", annotation("uid-a/3", "10.0.0.3")),
      pod("a/4", annotation("copied", "10.0.0.4")),
    ],
  });
  expect(holdings.map(({ key, strength }) => [key, strength])).toEqual([
    ["a/1", 0],
    ["a/2", 1],
    ["a/3", 2],
  ]);
  expect(holdings[0]?.reservation).toEqual({
    uid: "uid-a/1",
    node: "n1",
    subnet: "s",
    addresses: ["10.0.0.2"],
    mac: "0a:58:0a:00:00:02",
    infrastructure: 65_538,
    keptBy: undefined,
  });
});

it("reads tenants' numbers and switches' slices from router ports", () => {
  const { tenantNumbers, slices } = readSubnetClaims(network, {
    rows: [],
    pods: [],
    routerPorts: [
      { owner: "Tenant/blue#link", networks: ["100.80.0.22/30", "fd97::16/126"] },
      { owner: "Tenant/blue#link.default", networks: ["100.80.0.21/30", "fd97::15/126"] },
      { owner: "Subnet/s@n1#router", networks: ["10.0.0.1/24", "100.81.0.65/26", "fd97::1:41/122", "100.81.0.1/26"] },
      { owner: "Node/n1#router", networks: ["10.244.0.1/24"] },
    ],
  });
  expect([...tenantNumbers]).toEqual([["blue", 5]]);
  expect([...slices]).toEqual([["s@n1", [1024, 1025]]]);
});
