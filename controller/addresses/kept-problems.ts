import { parseAddress } from "../ipam/address.ts";
import type { SubnetIpam } from "../ipam/subnet-ipam.ts";
import { isOfSubnet } from "../ipam/subnet-space.ts";
import type { Problem } from "../state/object-problem.ts";
import type { SubnetRecord } from "../state/subnet.ts";

/** What stands against an IPAddress's keeping what it says. @returns undefined where there is no such object */
export function keptProblems(
  ipam: Pick<SubnetIpam, "keptBy" | "podOfKept" | "podAt" | "keeperAt">,
  name: string,
  subnetOf: (subnet: string) => SubnetRecord | undefined,
): readonly Problem[] | undefined {
  const kept = ipam.keptBy(name);
  if (kept?.record === undefined) return undefined;
  const { subnet, addresses, record } = kept;
  if (record.problem !== undefined) return [{ code: "INVALID_RESOURCE", message: record.problem }];
  const found = subnetOf(subnet);
  if (found === undefined) {
    return [{ code: "SUBNET_NOT_FOUND", message: `there is no subnet ${subnet}; create it, or delete the IPAddress` }];
  }
  const own = ipam.podOfKept(name);
  return addresses.flatMap((text): Problem[] => {
    const address = parseAddress(text);
    if (address === undefined || !isOfSubnet(found, address)) {
      return [{ code: "ADDRESS_OUTSIDE_SUBNET", message: `${text} isn't in subnet ${subnet}; give another one` }];
    }
    const keeper = ipam.keeperAt(subnet, text);
    if (keeper !== undefined && keeper !== name) {
      const message = `${text} belongs to IPAddress ${keeper}, which is older; give another one`;
      return [{ code: "ADDRESS_HELD", message }];
    }
    const pod = ipam.podAt(subnet, text);
    if (pod === undefined || pod === own) return [];
    return [{ code: "ADDRESS_HELD", message: `${text} belongs to pod ${pod}; it is kept as soon as that ends` }];
  });
}
