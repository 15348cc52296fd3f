import type { Uuid } from "ovsdb-client-ts";
import { parse, v5 } from "uuid";
import type { DesiredRow, DesiredValue, NorthboundTable, Owner } from "./desired.ts";

/** The key in `external_ids` under which each row of ours names its owner. */
export const ownerKey = "ovenbird.io/owner";

/** What all our row UUIDs derive from. It must never change: rows would be taken for strangers' and made again. */
const ourNamespace = parse("5a3c1fd0-8f0e-5b6e-9d0c-6f76656e6264");

/** `kind/key`, or `kind/key#part`. */
export function ownerText({ kind, key }: Owner, part?: string): string {
  return part === undefined ? `${kind}/${key}` : `${kind}/${key}#${part}`;
}

/** Reads `kind/key` or `kind/key#part`; undefined for anything else. */
export function parseOwner(text: string): (Owner & { readonly part: string | undefined }) | undefined {
  const match = /^([A-Za-z]+)\/([^#]+)(?:#(.+))?$/.exec(text);
  return match === null ? undefined : { kind: match[1] ?? "", key: match[2] ?? "", part: match[3] };
}

/** UUID v5 (RFC 9562 section 5.5) of table and owner: the same row has the same UUID, whoever writes it and when. */
export function rowUuid(table: NorthboundTable, owner: string): Uuid {
  // As bytes: text would be encoded by a slower way, and this is a third of what a pod costs here.
  return v5(Buffer.from(`${table} ${owner}`, "utf8"), ourNamespace);
}

/** A row of an owner; `part` tells the owner's rows of one table apart. */
export function desiredRow(
  table: NorthboundTable,
  owner: Owner,
  part: string | undefined,
  columns: Readonly<Record<string, DesiredValue>>,
): DesiredRow {
  const text = ownerText(owner, part);
  return { table, uuid: rowUuid(table, text), owner: text, columns };
}
