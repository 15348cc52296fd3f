import type { DatabaseSchema } from "ovsdb-client-ts";

/** What a connected database can hold, as far as it differs between the versions that we meet (OVN 23.03 and newer). */
type Probe = (schema: DatabaseSchema) => boolean;

const table =
  (name: string): Probe =>
  ({ tables }) =>
    Object.hasOwn(tables, name);

const column =
  (name: string, column: string): Probe =>
  ({ tables }) =>
    Object.hasOwn(tables, name) && Object.hasOwn(tables[name]?.columns ?? {}, column);

/** An enum without bounds admits everything, so a column whose type has no `enum` admits the value too. */
const admits =
  (name: string, column: string, value: string): Probe =>
  ({ tables }) => {
    const type = tables[name]?.columns[column]?.key;
    return type !== undefined && (type.enum === undefined || type.enum.includes(value));
  };

const northboundProbes = {
  /** `ACL.tier` (OVN 23.06): evaluation in tiers; without it tiers are bands of priorities. */
  aclTiers: column("ACL", "tier"),
  /** `ACL.action=pass` (OVN 23.06): leave the decision to the next tier. */
  aclPass: admits("ACL", "action", "pass"),
  /** `ACL.sample_new`, `ACL.sample_est` (OVN 24.09). */
  aclSampling: column("ACL", "sample_new"),
  /** `ACL.action=allow-stateless` (OVN 21.06). */
  aclAllowStateless: admits("ACL", "action", "allow-stateless"),
  /** `ACL.options`, which carries `apply-after-lb` and `log-related` (OVN 22.03). */
  aclOptions: column("ACL", "options"),
  /** `NAT.match` (OVN 24.09): a translation for some traffic only. */
  natMatch: column("NAT", "match"),
  /** `NAT.priority` (OVN 24.09). */
  natPriority: column("NAT", "priority"),
  /** `NAT.external_port_range` (OVN 20.06). */
  natPortRange: column("NAT", "external_port_range"),
  /** `NAT.gateway_port` (OVN 22.09): translation on one of several gateway ports. */
  natGatewayPort: column("NAT", "gateway_port"),
  /** `Chassis_Template_Var` (OVN 22.12): a load balancer's addresses that differ per chassis. */
  chassisTemplateVariables: table("Chassis_Template_Var"),
  /** `Load_Balancer_Group` (OVN 22.03). */
  loadBalancerGroups: table("Load_Balancer_Group"),
  /** `Static_MAC_Binding` (OVN 22.03). */
  staticMacBindings: table("Static_MAC_Binding"),
  /** `Mirror` (OVN 22.12). */
  mirrors: table("Mirror"),
  /** `Mirror_Rule` (OVN 25.09): mirror what matches only. */
  mirrorRules: table("Mirror_Rule"),
  /** `Copp` with a name of its own (OVN 22.06): control plane protection shared between datapaths. */
  namedCopp: column("Copp", "name"),
  /** `DHCP_Relay` (OVN 24.03). */
  dhcpRelay: table("DHCP_Relay"),
  /** `Logical_Router_Policy.chain` and `jump_chain` (OVN 25.03). */
  routerPolicyChains: column("Logical_Router_Policy", "jump_chain"),
  /** `Logical_Router_Static_Route.selection_fields` (OVN 24.09): which fields an ECMP choice hashes. */
  routeSelectionFields: column("Logical_Router_Static_Route", "selection_fields"),
  /** `Logical_Switch_Port.peer` (OVN 25.03): two switches joined without a router. */
  switchPortPeers: column("Logical_Switch_Port", "peer"),
  /** `Logical_Switch_Port.mirror_rules` (OVN 22.12). */
  portMirrors: column("Logical_Switch_Port", "mirror_rules"),
} as const satisfies Record<string, Probe>;

const southboundProbes = {
  /** `Port_Binding.additional_chassis` (OVN 22.06): a port on two chassis during a live migration. */
  additionalChassis: column("Port_Binding", "additional_chassis"),
  /** `Port_Binding.up` (OVN 21.03). */
  portBindingUp: column("Port_Binding", "up"),
  /** `Port_Binding.requested_chassis` as a reference (OVN 22.03). */
  requestedChassis: column("Port_Binding", "requested_chassis"),
  /** `Chassis_Private` (OVN 20.09), where each chassis' `nb_cfg` is. */
  chassisPrivate: table("Chassis_Private"),
} as const satisfies Record<string, Probe>;

const openVswitchProbes = {
  /** `CT_Zone.limit` (OVS 3.3): a bound on a conntrack zone's entries. */
  conntrackZoneLimit: column("CT_Zone", "limit"),
  /** `Datapath.capabilities` (OVS 2.13). */
  datapathCapabilities: column("Datapath", "capabilities"),
  /** `Flow_Sample_Collector_Set.local_group_id` (OVS 3.4): samples go to a local psample group. */
  localSampling: column("Flow_Sample_Collector_Set", "local_group_id"),
} as const satisfies Record<string, Probe>;

export type NorthboundCapabilities = { readonly [name in keyof typeof northboundProbes]: boolean };
export type SouthboundCapabilities = { readonly [name in keyof typeof southboundProbes]: boolean };
export type OpenVswitchCapabilities = { readonly [name in keyof typeof openVswitchProbes]: boolean };

function detect<Name extends string>(
  probes: Readonly<Record<Name, Probe>>,
  schema: DatabaseSchema,
): { readonly [name in Name]: boolean } {
  const answers = Object.entries<Probe>(probes).map(([name, probe]) => [name, probe(schema)] as const);
  return Object.freeze(Object.fromEntries(answers)) as { readonly [name in Name]: boolean };
}

/** What the connected northbound database may be asked for. Take it anew after each reconnect: servers get upgraded. */
export function northboundCapabilities(schema: DatabaseSchema): NorthboundCapabilities {
  return detect(northboundProbes, schema);
}

/** What the connected southbound database offers. */
export function southboundCapabilities(schema: DatabaseSchema): SouthboundCapabilities {
  return detect(southboundProbes, schema);
}

/** What the connected Open_vSwitch database offers. */
export function openVswitchCapabilities(schema: DatabaseSchema): OpenVswitchCapabilities {
  return detect(openVswitchProbes, schema);
}
