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
