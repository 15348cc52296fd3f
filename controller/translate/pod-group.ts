import type { Family } from "../ipam/address.ts";
import type { PodSelector } from "../state/selector.ts";
import type { Bundle, DesiredRow, Owner } from "./desired.ts";
import { ownerText, rowUuid } from "./owner.ts";
import type { PortGroup } from "./policy-groups.ts";

/** What the row says to people of whom it holds. */
export const selectsKey = "ovenbird.io/selects";

/** What names a text as a row's key does: 32 hex digits. */
export function textKey(kind: string, text: string): string {
  return rowUuid("Address_Set", `${kind} ${text}`).replaceAll("-", "");
}

/** Whose the rows of a selector are: its port group and its address sets, each as far as it is used. */
export function podSelectorOwner({ text }: PodSelector): Owner {
  return { kind: "PodSelector", key: textKey("PodSelector", text) };
}

/** The port group of a selector, which is there when ACLs of a policy stand on it. Costs two hashes: keep it. */
export function podGroup(selector: PodSelector): PortGroup {
  const owner = podSelectorOwner(selector);
  return { name: `pods_${owner.key.slice(0, 16)}`, uuid: rowUuid("Port_Group", ownerText(owner, "group")) };
}

/** Which rows of a selector are used. */
export interface SelectorUse {
  readonly group: boolean;
  /** Of the address sets. */
  readonly families: readonly Family[];
  /** Of the address sets of what pods are called in their tenants. */
  readonly ownFamilies?: readonly Family[];
}

/** What of a selector the address set of its pods' own addresses is. */
export const ownAddressesPart = (family: Family): string => `own.ipv${family}`;

function row(
  table: "Port_Group" | "Address_Set",
  uuid: string,
  owner: string,
  name: string,
  selects: string,
): DesiredRow {
  return { table, uuid, owner, columns: { name, external_ids: { [selectsKey]: selects } } };
}

/** The rows of a selector, empty: pods' bundles bring their memberships. */
export function podSelectorBundle(selector: PodSelector, { group, families, ownFamilies = [] }: SelectorUse): Bundle {
  const owner = podSelectorOwner(selector);
  const ofGroup = podGroup(selector);
  return {
    rows: [
      ...(group ? [row("Port_Group", ofGroup.uuid, ownerText(owner, "group"), ofGroup.name, selector.text)] : []),
      ...[...families.map((family) => `ipv${family}`), ...ownFamilies.map(ownAddressesPart)].map((part) => {
        const text = ownerText(owner, part);
        return row("Address_Set", rowUuid("Address_Set", text), text, `${ofGroup.name}.${part}`, selector.text);
      }),
    ],
    memberships: [],
  };
}
