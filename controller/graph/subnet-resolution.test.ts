import { expect, it } from "vitest";
import { parseNetworkConfig } from "../ipam/network-config.ts";
import { projectSubnet } from "../state/subnet.ts";
import { resolveTenancy } from "./subnet-resolution.ts";

const parsed = parseNetworkConfig({});
if (parsed.kind === "invalid") throw new Error(JSON.stringify(parsed.problems));
const { network } = parsed;

it.each([
  ["10.244.3.0/24", "the cluster's network"],
  ["100.80.0.0/20", "the infrastructure network"],
  ["fd69::/112", "the routers' own network"],
  ["192.0.2.0/24", "192.0.2.7 of node ash"],
])("a subnet can't be in %s", (cidr, whose) => {
  const record = projectSubnet({ metadata: { name: "s", uid: "s" }, spec: { mode: "Cluster", cidrs: [cidr] } });
  const { subnets, problems } = resolveTenancy({
    ...{ network, tenants: new Map(), subnets: new Map([["s", record]]), isInUse: () => false },
    nodeAddresses: [{ node: "ash", address: "192.0.2.7" }],
  });
  expect(subnets.size).toBe(0);
  expect(problems.get("Subnet/s")?.[0]?.message).toContain(whose);
});
