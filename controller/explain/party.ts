import { type Address, type Family, parseAddress } from "../ipam/address.ts";
import type { Labels } from "../state/labels.ts";

interface Placed {
  /** In canonical form. */
  readonly address: string;
  readonly family: Family;
  readonly parsed: Address;
}

/** Who sends or receives, with one of its addresses: what the peers of rules are compared with. */
export type Party =
  | (Placed & {
      readonly kind: "pod";
      /** `namespace/name`. */
      readonly key: string;
      readonly namespace: string;
      /** With `kubernetes.io/metadata.name`. */
      readonly namespaceLabels: Labels;
      /** With the ports that it names. */
      readonly labels: Labels;
      readonly node: string | undefined;
      readonly tenant: string;
      /** Whether the address is one that only its tenant and those joined with it know; others may have it as well. */
      readonly isOwn: boolean;
    })
  | (Placed & {
      readonly kind: "node";
      /** The name. */
      readonly key: string;
      readonly labels: Labels;
      /** The node's own addresses of the family, when `address` is that of its management port: it counts as them. */
      readonly standsFor: readonly Address[];
    })
  | (Placed & { readonly kind: "address"; readonly key: string });

export type PodParty = Extract<Party, { readonly kind: "pod" }>;

/** @throws TypeError when the text is no address: those of records are checked before */
export function placed(text: string): Placed {
  const parsed = parseAddress(text);
  if (parsed === undefined) throw new TypeError(`${text} is no address`);
  return { address: text, family: parsed.family, parsed };
}

/** `pod shop/web`, `node node1`, or the address. */
export function partyText(party: Pick<Party, "kind" | "key">): string {
  return party.kind === "address" ? party.key : `${party.kind} ${party.key}`;
}
