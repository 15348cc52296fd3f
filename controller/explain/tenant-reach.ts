import type { TenancyView } from "../graph/tenancy-view.ts";
import { defaultTenant } from "../translate/names.ts";
import type { WhyNetwork } from "./answer.ts";
import type { Party } from "./party.ts";
import type { PacketProtocol } from "./rule-match.ts";

const tenantText = (tenant: string): string => (tenant === defaultTenant ? "the default tenant" : `tenant ${tenant}`);

function joined(tenancy: TenancyView, one: string, other: string): boolean {
  return one === other || tenancy.peersOf(one).includes(other);
}

type Packet = { readonly protocol: PacketProtocol; readonly port: number };

function betweenPods(
  tenancy: TenancyView,
  from: Extract<Party, { readonly kind: "pod" }>,
  to: Extract<Party, { readonly kind: "pod" }>,
  { protocol, port }: Packet,
): WhyNetwork | undefined {
  if (from.tenant === to.tenant) return undefined;
  const tenants = { from: from.tenant, to: to.tenant };
  if (joined(tenancy, from.tenant, to.tenant)) {
    const message = `${tenantText(from.tenant)} and ${tenantText(to.tenant)} are peers`;
    return { verdict: "allowed", reason: "peers", tenants, message };
  }
  const shared = tenancy
    .servicesOf(from.tenant)
    .find(
      (endpoints) =>
        endpoints.protocol === protocol && endpoints.port === port && endpoints.addresses.includes(to.address),
    );
  if (shared !== undefined) {
    const message = `${to.address} serves Service ${shared.service}, which ${tenantText(from.tenant)} may use`;
    return { verdict: "allowed", reason: "shared-service", tenants, message };
  }
  const message = `pod ${from.key} is in ${tenantText(from.tenant)} and pod ${to.key} in ${tenantText(to.tenant)}; they are no peers, and it is no Service that ${tenantText(from.tenant)} may use`;
  return { verdict: "denied", reason: "tenants", tenants, message };
}

/** At which of the receiver's ports something else may hold because it serves what the sender's tenant may use. */
export function sharedPorts(tenancy: TenancyView, from: Party, to: Party, protocol: PacketProtocol): readonly number[] {
  if (from.kind !== "pod" || to.kind !== "pod" || from.tenant === to.tenant) return [];
  return tenancy
    .servicesOf(from.tenant)
    .filter((endpoints) => endpoints.protocol === protocol && endpoints.addresses.includes(to.address))
    .map(({ port }) => port);
}

/**
 * What of a packet's fate is decided before any policy, by whose networks the ends are in; undefined where nothing keeps or
 * specially joins them.
 */
export function reachOf(tenancy: TenancyView, from: Party, to: Party, packet: Packet): WhyNetwork | undefined {
  if (from.kind === "pod" && to.kind === "pod") return betweenPods(tenancy, from, to, packet);
  const pod = from.kind === "pod" ? from : to.kind === "pod" ? to : undefined;
  if (pod === undefined) return undefined;
  if (from.kind === "pod" && to.kind === "address") {
    const egress = tenancy.egressOf(from.key);
    if (egress?.mode !== "None") return undefined;
    const message = `pod ${from.key} is in Subnet ${egress.subnet}, whose egress mode is None: it reaches nothing outside of the cluster`;
    return { verdict: "denied", reason: "egress-none", tenants: { from: from.tenant }, message };
  }
  if (pod === to && pod.isOwn && from.kind === "node") {
    const message = `${to.address} is what pods of ${tenantText(pod.tenant)} and its peers call pod ${pod.key}; a node reaches it at the addresses in its status`;
    return { verdict: "denied", reason: "tenants", tenants: { to: pod.tenant }, message };
  }
  return undefined;
}
