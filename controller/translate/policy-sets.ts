import type { Uuid } from "ovsdb-client-ts";
import type { Family } from "../ipam/address.ts";
import type { AddressBlock, TransportProtocol } from "../state/policy.ts";
import type { PodSelector, Requirement } from "../state/selector.ts";

/** What an address set holds; equal ones are one set. */
export type AddressSetContent =
  | {
      readonly kind: "pods";
      readonly selector: PodSelector;
      /** Their addresses as their tenant and its peers know them, instead of those that are one of a kind in the cluster. */
      readonly own?: true;
    }
  | {
      readonly kind: "networks";
      readonly blocks: readonly AddressBlock[];
      /** Lists of which the addresses have to be in as well, in one block of each. */
      readonly within?: readonly (readonly AddressBlock[])[];
    }
  | { readonly kind: "nodes"; readonly requirements: readonly Requirement[] }
  | { readonly kind: "domains"; readonly names: readonly string[] };

/**
 * What the translation of a policy asks of those around it. Whoever answers keeps note of what was asked: those are the
 * sets that the policy uses, which exist as long as somebody uses them.
 */
export interface PolicySets {
  /** The port group of the pods that are selected. */
  group(selector: PodSelector): { readonly name: string; readonly uuid: Uuid };
  /** The name (without `$`) of an address set; undefined when it can't have members of the family. */
  addresses(content: AddressSetContent, family: Family): string | undefined;
  /**
   * Tenants with pods selected whose own addresses others may have as well, each with those whose pods it meets at such
   * addresses: itself and its peers.
   */
  views(selector: PodSelector): readonly TenantView[];
  /** The numbers that pods selected give to a port of this name. */
  portNumbers(selector: PodSelector, protocol: TransportProtocol, name: string): PortNumbers;
}

/** How pods of a tenant see others of it and of its peers: at addresses that pods of other tenants may have as well. */
export interface TenantView {
  readonly tenant: string;
  /** Sorted; the tenant among them. */
  readonly sees: readonly string[];
}

/** Numbers of one name of a port that ACLs are made for: anybody who may create pods adds to them, and everybody pays. */
export const maxPortNumbers = 64;

export interface PortNumbers {
  /** Ascending; the most frequent where there are more than {@link maxPortNumbers}. */
  readonly numbers: readonly number[];
  /** Whether these are all. */
  readonly complete: boolean;
}
