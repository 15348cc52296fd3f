import type { AddressAudit, AddressHolding, AddressList } from "@ovenbird/controller";

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join("");
}

function keeping({ keptBy, holder, ttlSeconds, releasedAt, pod }: AddressHolding): string {
  if (keptBy === undefined) return "";
  const how = ttlSeconds === undefined ? "for good" : `${ttlSeconds} s`;
  const since = releasedAt === undefined || pod !== undefined ? "" : `, released ${releasedAt}`;
  return `${keptBy} (for ${holder}, ${how}${since})`;
}

/** A line for each holder. */
export function addressesText({ holdings }: AddressList): string {
  if (holdings.length === 0) return "nobody has such an address\n";
  const rows = holdings.map((each) => [
    each.subnet ?? "-",
    each.addresses.join(" "),
    each.pod ?? "-",
    each.node ?? "-",
    each.mac ?? "-",
    each.infrastructure?.join(" ") ?? "-",
    keeping(each),
  ]);
  return table([["SUBNET", "ADDRESSES", "POD", "NODE", "MAC", "INFRASTRUCTURE", "KEPT BY"], ...rows]);
}

export function auditText({ compared, findings, isSettled }: AddressAudit): string {
  const { pods, holdings, rows, ipAddresses } = compared;
  const what = `${holdings} holders, ${rows} ports, ${pods} pods and ${ipAddresses} IPAddresses`;
  if (findings.length === 0) return `${what} agree: nothing is held twice, nothing is leaked\n`;
  const found = table(findings.map(({ code, object, message }) => [code, object, message]));
  const note = isSettled ? "" : "Writes are under way, which may be all that differs: ask again.\n";
  return `${what}: ${findings.length} findings\n${found}${note}`;
}
