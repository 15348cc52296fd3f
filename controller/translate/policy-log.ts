import { namespaceNameLabel } from "../state/namespace.ts";
import type { PolicyKind } from "../state/policy.ts";
import { podSelector } from "../state/selector.ts";
import type { AclOrigin } from "./acl-origin.ts";
import type { DesiredRow } from "./desired.ts";
import { desiredRow, ownerText, rowUuid } from "./owner.ts";
import { textKey } from "./pod-group.ts";
import { tenantOwner } from "./tenant-owner.ts";

/** Limits what is logged: 20 lines a second of each ACL on each node. */
export const logMeter = "ovenbird.policy-log";
const linesPerSecond = 20;

const bandOwner = ownerText(tenantOwner, "policy-log.band");

/** The meter of all ACLs that log. */
export function logMeterRows(): readonly DesiredRow[] {
  const band = rowUuid("Meter_Band", bandOwner);
  return [
    {
      table: "Meter_Band",
      uuid: band,
      owner: bandOwner,
      columns: { action: "drop", rate: linesPerSecond, burst_size: linesPerSecond },
    },
    desiredRow("Meter", tenantOwner, "policy-log", { name: logMeter, unit: "pktps", fair: true, bands: [band] }),
  ];
}

const shortKinds: Readonly<Record<PolicyKind, string>> = {
  NetworkPolicy: "NP",
  AdminNetworkPolicy: "ANP",
  BaselineAdminNetworkPolicy: "BANP",
  ClusterNetworkPolicy: "CNP",
};

/** The most characters that `ACL.name` takes; it is all that a line of the log says of its ACL. */
const longestName = 63;
const hashLength = 8;

/** A text that is unique already, or else the beginning of it and a hash of the whole. */
function fitting(text: string): string {
  if (text.length <= longestName) return text;
  return `${text.slice(0, longestName - hashLength - 1)}~${textKey("name", text).slice(0, hashLength)}`;
}

/** What lines of the log call an ACL: `NP/shop/web:ingress:0.ipv4-tcp`; a different name for each. */
export function logName({ kind, key, direction, rule, piece, tenant, pass }: Omit<AclOrigin, "logged">): string {
  const place = `${rule}${piece === "all" ? "" : `.${piece}`}${tenant === undefined ? "" : `.in:${tenant}`}`;
  return fitting(
    `${shortKinds[kind]}/${key}:${direction}:${place}${pass === undefined ? "" : `@${pass.policy}:${pass.rule}`}`,
  );
}

type Columns = DesiredRow["columns"];

/** The columns of an ACL that log, or don't; the row has them in either case, so that they go back with what made them. */
export function logColumns(name: string | undefined): Columns {
  return name === undefined
    ? { log: false, meter: undefined, name: undefined, severity: undefined }
    : { log: true, meter: logMeter, name, severity: "info" };
}

/** The pods of namespaces that log. */
export function podsOf(namespaces: readonly string[]) {
  return podSelector({ namespaceRequirements: [{ key: namespaceNameLabel, operator: "In", values: namespaces }] });
}
