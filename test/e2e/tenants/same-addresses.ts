import { apiVersionOf, type KubeObject, subnets, tenants } from "../../../kube/index.ts";
import type { Cluster } from "../cluster.ts";

/** A network that each of the tenants of a test has. */
export const sharedCidrs = ["10.10.0.0/16", "fd10:10::/48"] as const;

/** Makes a tenant of namespaces whose pods are in the network that all tenants of the tests have. @returns the Subnet's name */
export async function createTenant(
  { client }: Cluster,
  name: string,
  namespaces: readonly string[],
  { subnet = {}, tenant = {} }: { readonly subnet?: object; readonly tenant?: object } = {},
): Promise<string> {
  await client.create(
    tenants,
    {},
    {
      ...{ apiVersion: apiVersionOf(tenants), kind: "Tenant", metadata: { name } },
      spec: { namespaces: { names: namespaces }, ...tenant },
    },
  );
  await client.create(
    subnets,
    {},
    {
      ...{ apiVersion: apiVersionOf(subnets), kind: "Subnet", metadata: { name } },
      spec: { tenant: name, mode: "PerNode", cidrs: sharedCidrs, nodePrefixLengths: [24, 64], ...subnet },
    },
  );
  await untilSubnetReady({ client }, name);
  return name;
}

interface Conditions extends KubeObject {
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[];
  };
}

const patienceMs = 15_000;

/** Resolves once pods may come into the subnet. */
export async function untilSubnetReady({ client }: Pick<Cluster, "client">, name: string): Promise<void> {
  const begun = performance.now();
  for (;;) {
    const { status } = await client.get<Conditions>(subnets, { name });
    const ready = status?.conditions?.find(({ type }) => type === "Ready");
    if (ready?.status === "True") return;
    if (performance.now() - begun > patienceMs) {
      throw new Error(`subnet ${name} isn't ready after ${patienceMs} ms: ${JSON.stringify(status)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
