/**
 * Names of logical routers, switches and ports. Port names are unique in the whole northbound database; the prefixes
 * keep nodes' names apart from each other's, and the underscore in a pod's port can't stand in a Kubernetes name.
 */

/** What no tenant claims is in this one. */
export const defaultTenant = "default";
export const joinSwitch = "join";

export const nodeSwitch = (node: string): string => node;
export const gatewayRouter = (node: string): string => `gateway.${node}`;
export const externalSwitch = (node: string): string => `external.${node}`;

/** The tenant router's end of its link to the join switch, and the switch's end. */
export const tenantToJoin = (tenant: string): string => `${tenant}-to-join`;
export const joinToTenant = (tenant: string): string => `join-to-${tenant}`;
/** The tenant router's end of its link to a node's switch, and the switch's end. */
export const tenantToSwitch = (tenant: string, node: string): string => `${tenant}-to-switch.${node}`;
export const switchToTenant = (tenant: string, node: string): string => `switch.${node}-to-${tenant}`;
/** A gateway router's end of its link to the join switch, and the switch's end. */
export const gatewayToJoin = (node: string): string => `gateway.${node}-to-join`;
export const joinToGateway = (node: string): string => `join-to-gateway.${node}`;
/** A gateway router's end of its link to the external switch, and the switch's end. */
export const gatewayToExternal = (node: string): string => `gateway.${node}-to-external`;
export const externalToGateway = (node: string): string => `external.${node}-to-gateway`;
export const externalLocalnet = (node: string): string => `external.${node}-localnet`;

/** Also the `iface-id` of the node's internal interface. */
export const managementPort = (node: string): string => `management.${node}`;

/** @param podKey `namespace/name` */
export const podPort = (podKey: string): string => podKey.replace("/", "_");

/** A tenant's router has the tenant's name. A subnet's switch: the only one, or a node's. */
export const subnetSwitchKey = (subnet: string, node: string | undefined): string =>
  node === undefined ? subnet : `${subnet}@${node}`;
export const subnetSwitchName = (switchKey: string): string => `subnet.${switchKey}`;

/** The default tenant's router's end of its link to a tenant's router, and the tenant's end. */
export const hubToTenant = (tenant: string): string => `${defaultTenant}-to-tenant.${tenant}`;
export const tenantToHub = (tenant: string): string => `tenant.${tenant}-to-${defaultTenant}`;
/** A tenant's router's end of its link to another's. */
export const tenantToPeer = (tenant: string, peer: string): string => `tenant.${tenant}-to-tenant.${peer}`;
/** A tenant's router's end of its link to a subnet's switch, the switch's end, and the switch's port to the physical network. */
export const tenantToSubnet = (tenant: string, switchKey: string): string =>
  tenant === defaultTenant ? `${defaultTenant}-to-subnet.${switchKey}` : `tenant.${tenant}-to-subnet.${switchKey}`;
export const subnetToTenant = (tenant: string, switchKey: string): string => `subnet.${switchKey}-to-tenant.${tenant}`;
export const subnetLocalnet = (switchKey: string): string => `subnet.${switchKey}-localnet`;

/**
 * A provider network as one node's `ovn-bridge-mappings` and the localnet ports of that node's switches call it. The others don't
 * have it: what routers there send to the node's pods goes by tunnel, and not by way of the physical network.
 */
export const physicalNetworkOn = (providerNetwork: string, systemId: string): string =>
  `${providerNetwork}.${systemId}`;
