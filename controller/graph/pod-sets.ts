import type { Uuid } from "ovsdb-client-ts";
import type { Family } from "../ipam/address.ts";
import type { Direction, TransportProtocol } from "../state/policy.ts";
import { namedPortKey, type PodSelector, podSelector, tenantKey } from "../state/selector.ts";
import { addressSet } from "../translate/address-set.ts";
import type { Bundle, Owner } from "../translate/desired.ts";
import { podGroup, podSelectorBundle, podSelectorOwner } from "../translate/pod-group.ts";
import type { PodPlace } from "../translate/pod-port.ts";
import { isolatedGroups, type PortGroup, subjectsGroup } from "../translate/policy-groups.ts";
import { maxPortNumbers, type PortNumbers } from "../translate/policy-sets.ts";
import { type PodClass, samePlaces } from "./pod-class.ts";
import { createSelectorIndex, type Selection, type SelectorIndex } from "./selector-index.ts";
import { noteChange, type PolicyUses, type SetChanges, UseCounts, type UsedSet } from "./used-set.ts";

/**
 * What a policy asks of the pods of a selector: a port group of them, their addresses of a family (those that are one of a kind in
 * the cluster, or their own), that they are isolated in a direction, that they are known as subjects, or which numbers they give to
 * a port, resp. of which tenants they are (by its key among labels).
 */
export type PodSetUse = "group" | Family | OwnAddresses | Direction | "subject" | `#${string}`;

type OwnAddresses = "own4" | "own6";
const ownUses: Readonly<Record<Family, OwnAddresses>> = { 4: "own4", 6: "own6" };
const ownFamilies: Readonly<Partial<Record<PodSetUse, Family>>> = { own4: 4, own6: 6 };

/** The pods of a selector. */
export interface PodSet extends UsedSet<PodSetUse> {
  readonly group: PortGroup;
  /** @param own whether of the pods' own addresses */
  addresses(family: Family, own: boolean): PodAddresses;
}

/** The set of the pods' addresses of a family: what has to be asked for, and the row. */
export interface PodAddresses {
  readonly use: PodSetUse;
  /** Without `$`. */
  readonly name: string;
  readonly uuid: Uuid;
}

/** The port groups and address sets of pods' selectors, and which pods are in them. */
export interface PodSets {
  readonly index: SelectorIndex;
  of(selector: PodSelector): PodSet;
  /** The numbers that the pods selected give to a port; noted as asked for. */
  numbers(selector: PodSelector, protocol: TransportProtocol, name: string, uses: PolicyUses): PortNumbers;
  /** The tenants of those selected whose own addresses others may have as well, sorted; noted as asked for. */
  tenants(selector: PodSelector, uses: PolicyUses): readonly string[];
  /** Policies that asked for numbers or tenants which are others now than at the last time. */
  takeRenumbered(): ReadonlySet<string>;
  /** Brings up to date what pods are members of. @returns those for which it changed */
  flushPlaces(): readonly string[];
  /** The rows that changed since the last time; sets that nobody asks for are forgotten. */
  flushRows(changes: SetChanges): void;
  bundleOf(key: string): Bundle | undefined;
}

const guard = ({ uuid }: PortGroup): PodPlace => Object.freeze({ table: "Port_Group", row: uuid, guards: true });
const isolated = { ingress: guard(isolatedGroups.ingress), egress: guard(isolatedGroups.egress) };
const subject = guard(subjectsGroup);

/** Which values the pods of a set have under a key: the numbers that they give to a port, or their tenants. */
interface Numbering {
  readonly key: string;
  readonly classesByValue: Map<string, number>;
  readonly askers: Set<string>;
  /** What was answered last, as text. */
  answer: string;
}

class UsedPodSet implements PodSet {
  readonly selection: Selection;
  readonly owner: Owner;
  readonly group: PortGroup;
  readonly uses = new UseCounts<PodSetUse>();
  readonly numberings = new Map<string, Numbering>();
  /** The rows as of the last flush. */
  bundle: Bundle | undefined;
  readonly #onChange: (set: UsedPodSet) => void;
  readonly #places = new Map<PodSetUse, PodPlace>();
  readonly #addresses = new Map<PodSetUse, PodAddresses>();

  constructor(selection: Selection, onChange: (set: UsedPodSet) => void) {
    this.selection = selection;
    this.owner = podSelectorOwner(selection.selector);
    this.group = podGroup(selection.selector);
    this.#onChange = onChange;
  }

  addresses(family: Family, own: boolean): PodAddresses {
    const use = own ? ownUses[family] : family;
    let found = this.#addresses.get(use);
    if (found === undefined) {
      const { selector } = this.selection;
      const { name, uuid } = addressSet({ kind: "pods", selector, ...(own ? { own } : {}) }, family);
      found = { use, name, uuid };
      this.#addresses.set(use, found);
    }
    return found;
  }

  acquire(use: PodSetUse, policy: string): void {
    if (this.uses.add(use)) this.#onChange(this);
    if (typeof use === "string") this.numberings.get(use)?.askers.add(policy);
  }

  release(use: PodSetUse, policy: string): void {
    if (this.uses.remove(use)) this.#onChange(this);
    if (typeof use === "string") this.numberings.get(use)?.askers.delete(policy);
  }

  /** What the pods are members of for the sake of a use. */
  place(use: PodSetUse): PodPlace | undefined {
    if (use === "subject") return subject;
    if (use === "ingress" || use === "egress") return isolated[use];
    const known = this.#places.get(use);
    if (known !== undefined) return known;
    const place = this.#placeOf(use);
    if (place !== undefined) this.#places.set(use, Object.freeze(place));
    return place;
  }

  #placeOf(use: PodSetUse): PodPlace | undefined {
    if (use === "group") return { table: "Port_Group", row: this.group.uuid, guards: false };
    const own = ownFamilies[use];
    if (own !== undefined) {
      return { table: "Address_Set", row: this.addresses(own, true).uuid, family: own, own: true };
    }
    return typeof use === "string"
      ? undefined
      : { table: "Address_Set", row: this.addresses(use, false).uuid, family: use };
  }

  /** The rows as they shall be. */
  rows(): Bundle | undefined {
    const families = ([4, 6] as const).filter((family) => this.uses.has(family));
    const own = ([4, 6] as const).filter((family) => this.uses.has(ownUses[family]));
    const group = this.uses.has("group");
    if (!group && families.length === 0 && own.length === 0) return undefined;
    return podSelectorBundle(this.selection.selector, { group, families, ownFamilies: own });
  }
}

function numbersIn({ classesByValue }: Numbering): PortNumbers {
  const complete = classesByValue.size <= maxPortNumbers;
  const all = [...classesByValue].map(([number, classes]) => ({ number: Number(number), classes }));
  if (!complete) all.sort((one, other) => other.classes - one.classes || one.number - other.number);
  const numbers = all.slice(0, maxPortNumbers).map(({ number }) => number);
  return { numbers: numbers.sort((one, other) => one - other), complete };
}

const valuesIn = ({ classesByValue }: Numbering): readonly string[] => [...classesByValue.keys()].sort();

function answerOf(numbering: Numbering): string {
  if (numbering.key === tenantKey) return valuesIn(numbering).join();
  const { numbers, complete } = numbersIn(numbering);
  return `${numbers.join()}${complete ? "" : " and more"}`;
}

const sameRows = (one: Bundle | undefined, other: Bundle | undefined): boolean =>
  one?.rows.map(({ uuid }) => uuid).join() === other?.rows.map(({ uuid }) => uuid).join();

export function createPodSets(): PodSets {
  const sets = new Map<Selection, UsedPodSet>();
  const byKey = new Map<string, UsedPodSet>();
  const dirtyClasses = new Set<PodClass>();
  /** Made since the last flush, or asked for otherwise. */
  const touched = new Set<UsedPodSet>();
  const touchedNumberings = new Set<Numbering>();
  const index = createSelectorIndex((selection, podClass, change) => {
    dirtyClasses.add(podClass);
    const by = change === "gained" ? 1 : -1;
    for (const numbering of sets.get(selection)?.numberings.values() ?? []) count(numbering, podClass, by);
  });

  function count(numbering: Numbering, { labels }: PodClass, by: 1 | -1): void {
    const { classesByValue, key } = numbering;
    const value = labels[key];
    if (value === undefined) return;
    const classes = (classesByValue.get(value) ?? 0) + by;
    if (classes === 0) classesByValue.delete(value);
    else classesByValue.set(value, classes);
    touchedNumberings.add(numbering);
  }

  function onUse(set: UsedPodSet): void {
    touched.add(set);
    for (const podClass of set.selection.classes) dirtyClasses.add(podClass);
  }

  function setOf(selector: PodSelector): UsedPodSet {
    const selection = index.select(selector);
    let set = sets.get(selection);
    if (set === undefined) {
      set = new UsedPodSet(selection, onUse);
      sets.set(selection, set);
      byKey.set(set.owner.key, set);
      touched.add(set);
    }
    return set;
  }

  function forget(set: UsedPodSet): void {
    sets.delete(set.selection);
    byKey.delete(set.owner.key);
    index.drop(set.selection);
  }

  function numberingOf(set: UsedPodSet, key: string): Numbering {
    let numbering = set.numberings.get(key);
    if (numbering === undefined) {
      numbering = { key, classesByValue: new Map(), askers: new Set(), answer: "" };
      set.numberings.set(key, numbering);
      for (const podClass of set.selection.classes) count(numbering, podClass, 1);
      numbering.answer = answerOf(numbering);
      touchedNumberings.delete(numbering);
    }
    return numbering;
  }

  function placesOf({ selections }: PodClass): PodPlace[] {
    const places = new Map<Uuid, PodPlace>();
    for (const selection of selections) {
      const set = sets.get(selection);
      for (const use of set?.uses.keys() ?? []) {
        const place = set?.place(use);
        if (place !== undefined) places.set(place.row, place);
      }
      for (const { uuid } of set?.bundle?.rows ?? []) {
        if (!places.has(uuid)) places.set(uuid, { table: "going", row: uuid });
      }
    }
    return [...places.values()].sort((one, other) => (one.row < other.row ? -1 : 1));
  }

  return {
    index,
    of: setOf,
    numbers(selector, protocol, name, uses) {
      const key = namedPortKey(protocol, name);
      const named = podSelector({
        namespace: selector.namespace,
        namespaceRequirements: selector.namespaceRequirements,
        podRequirements: [...selector.podRequirements, { key, operator: "Exists" }],
      });
      const set = setOf(named);
      uses.add(set, key as PodSetUse);
      return numbersIn(numberingOf(set, key));
    },
    tenants(selector, uses) {
      const set = setOf(selector);
      uses.add(set, tenantKey);
      return valuesIn(numberingOf(set, tenantKey));
    },
    takeRenumbered() {
      const policies = new Set<string>();
      for (const numbering of touchedNumberings) {
        const answer = answerOf(numbering);
        if (answer === numbering.answer) continue;
        numbering.answer = answer;
        for (const policy of numbering.askers) policies.add(policy);
      }
      touchedNumberings.clear();
      return policies;
    },
    flushPlaces() {
      const pods: string[] = [];
      for (const podClass of dirtyClasses) {
        const places = placesOf(podClass);
        if (samePlaces(places, podClass.places)) continue;
        podClass.places = places;
        for (const pod of podClass.pods) pods.push(pod);
      }
      dirtyClasses.clear();
      return pods;
    },
    flushRows(changes) {
      for (const set of touched) {
        const { owner, bundle: before } = set;
        const now = set.rows();
        if (!sameRows(before, now)) {
          set.bundle = now;
          noteChange(changes, owner, before, now);
        }
        if (set.uses.isEmpty) forget(set);
      }
      touched.clear();
    },
    bundleOf: (key) => byKey.get(key)?.bundle,
  };
}
