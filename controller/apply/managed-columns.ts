import type { OvnNorthbound } from "@ovenbird/ovsdb-schemas";
import type { DatabaseSchema, ReplicaSpec, UntypedModel } from "ovsdb-client-ts";

type ManagedColumns = {
  readonly [Table in keyof OvnNorthbound & string]?: readonly (keyof OvnNorthbound[Table] & string)[];
};

/**
 * The tables and columns that the controller may write, and so what the replica holds. Columns that northd writes
 * (`up`, `dynamic_addresses`, `hosting-chassis`) are left out: they would cost memory and one update per port.
 */
const managedColumns = {
  Logical_Switch: [
    "name",
    "ports",
    "acls",
    "qos_rules",
    "load_balancer",
    "load_balancer_group",
    "dns_records",
    "other_config",
    "external_ids",
  ],
  Logical_Switch_Port: [
    "name",
    "type",
    "options",
    "addresses",
    "port_security",
    "enabled",
    "tag",
    "parent_name",
    "dhcpv4_options",
    "dhcpv6_options",
    "external_ids",
  ],
  Logical_Router: [
    "name",
    "ports",
    "static_routes",
    "policies",
    "nat",
    "load_balancer",
    "load_balancer_group",
    "enabled",
    "options",
    "external_ids",
  ],
  Logical_Router_Port: [
    "name",
    "mac",
    "networks",
    "peer",
    "enabled",
    "options",
    "ipv6_ra_configs",
    "gateway_chassis",
    "external_ids",
  ],
  Logical_Router_Static_Route: [
    "ip_prefix",
    "nexthop",
    "policy",
    "output_port",
    "route_table",
    "bfd",
    "options",
    "external_ids",
  ],
  Logical_Router_Policy: ["priority", "match", "action", "nexthops", "options", "external_ids"],
  NAT: [
    "type",
    "external_ip",
    "external_port_range",
    "external_mac",
    "logical_ip",
    "logical_port",
    "gateway_port",
    "allowed_ext_ips",
    "exempted_ext_ips",
    "options",
    "external_ids",
  ],
  Port_Group: ["name", "ports", "acls", "external_ids"],
  Address_Set: ["name", "addresses", "external_ids"],
  ACL: [
    "name",
    "priority",
    "direction",
    "match",
    "action",
    "log",
    "severity",
    "meter",
    "label",
    "options",
    "external_ids",
  ],
  Meter: ["name", "unit", "bands", "fair", "external_ids"],
  Meter_Band: ["action", "rate", "burst_size", "external_ids"],
  Load_Balancer: ["name", "vips", "protocol", "selection_fields", "options", "external_ids"],
  Load_Balancer_Group: ["name", "load_balancer"],
  QoS: ["priority", "direction", "match", "action", "bandwidth", "external_ids"],
  DHCP_Options: ["cidr", "options", "external_ids"],
  Gateway_Chassis: ["name", "chassis_name", "priority", "options", "external_ids"],
  Chassis_Template_Var: ["chassis", "variables", "external_ids"],
} as const satisfies ManagedColumns;

/** Columns that newer schemas have than the one our types are made from. */
const newerColumns: Readonly<Partial<Record<keyof typeof managedColumns, readonly string[]>>> = { ACL: ["tier"] };

/**
 * Set columns of our rows whose content is the union of {@link Membership}s: what else is found in one of them and
 * bears our owner (or has no owner, as an address) is a leftover.
 */
const membershipColumns: Readonly<Record<string, readonly string[]>> = {
  Logical_Switch: ["ports", "acls", "qos_rules", "load_balancer", "load_balancer_group", "dns_records"],
  Logical_Router: ["ports", "static_routes", "policies", "nat", "load_balancer", "load_balancer_group"],
  Logical_Router_Port: ["gateway_chassis"],
  Port_Group: ["ports", "acls"],
  Address_Set: ["addresses"],
  Load_Balancer_Group: ["load_balancer"],
};

export type ColumnKind = "scalar" | "set" | "map";

export interface ManagedTable {
  readonly name: string;
  readonly isRoot: boolean;
  /** Replicated and writable columns, with how their values are compared. */
  readonly columns: ReadonlyMap<string, ColumnKind>;
  readonly membershipColumns: readonly string[];
  /** Columns that refer to rows: the table referred to. */
  readonly references: ReadonlyMap<string, string>;
  /** Where rows of this table are held alive: set columns of other tables with strong references to it. */
  readonly parents: readonly { readonly table: string; readonly column: string }[];
}

/** What the connected server's schema has of the tables that we manage. */
export type ManagedTables = ReadonlyMap<string, ManagedTable>;

/** Reads from the connected server's schema which of our tables and columns there are, and how they refer to each other. */
export function managedTables(schema: DatabaseSchema): ManagedTables {
  const names = Object.keys(managedColumns).filter((name) => schema.tables[name] !== undefined);
  return new Map(
    names.map((name) => {
      const table = schema.tables[name];
      const known = name as keyof typeof managedColumns;
      const wanted: readonly string[] = [...managedColumns[known], ...(newerColumns[known] ?? [])];
      const columns = new Map<string, ColumnKind>();
      const references = new Map<string, string>();
      for (const column of wanted) {
        const type = table?.columns[column];
        if (type === undefined) continue;
        columns.set(column, type.value !== undefined ? "map" : type.max > 1 ? "set" : "scalar");
        if (type.key.refTable !== undefined) references.set(column, type.key.refTable);
      }
      const parents = names.flatMap((parent) =>
        (membershipColumns[parent] ?? [])
          .filter((column) => {
            const key = schema.tables[parent]?.columns[column]?.key;
            return key?.refTable === name && key.refType === "strong";
          })
          .map((column) => ({ table: parent, column })),
      );
      return [
        name,
        {
          name,
          isRoot: table?.isRoot ?? true,
          columns,
          membershipColumns: (membershipColumns[name] ?? []).filter((column) => columns.has(column)),
          references,
          parents,
        },
      ];
    }),
  );
}

/** The replica that the applier needs. */
export function replicaSpec(tables: ManagedTables): ReplicaSpec<UntypedModel> {
  return Object.fromEntries([...tables.values()].map((table) => [table.name, [...table.columns.keys()]]));
}
