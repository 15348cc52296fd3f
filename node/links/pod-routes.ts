export interface PodRoute {
  readonly destination: string;
  readonly gateway: string;
  /** What the pod's own packets bear as source by this route; else the kernel chooses. */
  readonly source?: string;
}

/** As the controller's annotation has it. */
export type WantedPodRoute = Omit<PodRoute, "source"> & { readonly source?: string | undefined };

/**
 * All routes of a pod: to everywhere by its gateways, from the subnet's address, unless a route of length 0 says
 * otherwise for that family, and those that stand beside them.
 */
export function podRoutes({
  addresses,
  gateways,
  infrastructure = [],
  routes = [],
}: {
  readonly addresses: readonly string[];
  readonly gateways: readonly string[];
  readonly infrastructure?: readonly string[] | undefined;
  readonly routes?: readonly WantedPodRoute[] | undefined;
}): readonly PodRoute[] {
  const replaced = new Set(routes.filter(({ destination }) => isDefault(destination)).map(familyOf));
  return [
    ...gateways
      .filter((gateway) => !replaced.has(gateway.includes(":") ? 6 : 4))
      .map((gateway) => {
        const isIpv6 = gateway.includes(":");
        const own = addresses.find((address) => address.includes(":") === isIpv6);
        return {
          destination: isIpv6 ? "::/0" : "0.0.0.0/0",
          gateway,
          // Of several addresses the kernel would choose one by rules that nobody has in mind (RFC 6724).
          ...(infrastructure.length > 0 && own !== undefined ? { source: own.split("/")[0] ?? own } : {}),
        };
      }),
    ...routes.map(({ destination, gateway, source }) => ({
      destination,
      gateway,
      ...(source === undefined ? {} : { source }),
    })),
  ];
}

/** The addresses that are one of a kind in the cluster, as prefixes of one address each. */
export function infrastructurePrefixes({
  infrastructure = [],
}: {
  readonly infrastructure?: readonly string[] | undefined;
}): readonly string[] {
  return infrastructure.map((address) => `${address}/${address.includes(":") ? 128 : 32}`);
}

const isDefault = (destination: string): boolean => destination.endsWith("/0");
const familyOf = ({ destination }: { readonly destination: string }): 4 | 6 => (destination.includes(":") ? 6 : 4);
