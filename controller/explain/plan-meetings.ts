import type { PolicyModel } from "../graph/policy-model.ts";
import type { PlanClass } from "./plan-classes.ts";

function tenantOf({ sender }: PlanClass): string | undefined {
  const party = sender[4] ?? sender[6];
  return party?.kind === "pod" ? party.tenant : undefined;
}

/** Tells who may meet at all: what policies say of pods that their tenants keep apart is of no account. */
export function createMeetings(model: PolicyModel): (from: PlanClass, to: PlanClass) => boolean {
  const { tenancy } = model;
  const serving = new Map<string, ReadonlySet<string>>();

  function servingOf(tenant: string): ReadonlySet<string> {
    let pods = serving.get(tenant);
    if (pods === undefined) {
      const addresses = tenancy.servicesOf(tenant).flatMap((endpoints) => endpoints.addresses);
      pods = new Set(addresses.flatMap((address) => model.podAt(address) ?? []));
      serving.set(tenant, pods);
    }
    return pods;
  }

  return (from, to) => {
    const [one, other] = [tenantOf(from), tenantOf(to)];
    if (one === undefined || other === undefined || one === other || tenancy.peersOf(one).includes(other)) return true;
    const pods = servingOf(one);
    return pods.size > 0 && to.members.some((key) => pods.has(key));
  };
}
