/**
 * Typed models of the OVN northbound, OVN southbound and Open_vSwitch databases, generated from their schemas, and
 * what differs between versions of them. Row types carry the names of their tables in camel case and live in a
 * namespace per database, since the databases share table names: `Northbound.LogicalSwitchPort`, `Southbound.Meter`.
 */
export {
  type NorthboundCapabilities,
  northboundCapabilities,
  type OpenVswitchCapabilities,
  openVswitchCapabilities,
  type SouthboundCapabilities,
  southboundCapabilities,
} from "./capabilities.ts";
export type * as Northbound from "./generated/northbound.ts";
export { northboundMetadata, type OvnNorthbound } from "./generated/northbound.ts";
export type * as OpenVswitchRows from "./generated/open-vswitch.ts";
export { type OpenVswitch, openVswitchMetadata } from "./generated/open-vswitch.ts";
export type * as Southbound from "./generated/southbound.ts";
export { type OvnSouthbound, southboundMetadata } from "./generated/southbound.ts";
export type { BaseTypeMetadata, ColumnMetadata, DatabaseMetadata, TableMetadata } from "./metadata.ts";
