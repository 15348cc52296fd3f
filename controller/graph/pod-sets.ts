import type { Uuid } from "ovsdb-client-ts";
import type { Family } from "../ipam/address.ts";
import type { Direction, TransportProtocol } from "../state/policy.ts";
import { namedPortKey, type PodSelector, podSelector } from "../state/selector.ts";
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
 * What a policy asks of the pods of a selector: a port group of them, their addresses of a family, that they are isolated in a
 * direction, that they are known as subjects, or (by its key among labels) which numbers they give to a port.
 */
export type PodSetUse = "group" | Family | Direction | "subject" | `#${string}`;

/** The pods of a selector. */
export interface PodSet extends UsedSet<PodSetUse> {
  readonly group: PortGroup;
  /** Without `$`. */
  addressSetName(family: Family): string;
  addressSetUuid(family: Family): Uuid;
}

/** The port groups and address sets of pods' selectors, and which pods are in them. */
export interface PodSets {
  readonly index: SelectorIndex;
  of(selector: PodSelector): PodSet;
  /** The numbers that the pods selected give to a port; noted as asked for. */
  numbers(selector: PodSelector, protocol: TransportProtocol, name: string, uses: PolicyUses): PortNumbers;
  /** Policies that asked for numbers which are others now than at the last time. */
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

/** Which numbers the pods of a set give to a port. */
interface Numbering {
  readonly portKey: string;
  readonly classesByNumber: Map<string, number>;
  readonly askers: Set<string>;
  /** What was answered last. */
  answer: PortNumbers;
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
  readonly #addressSets = new Map<Family, Uuid>();

  constructor(selection: Selection, onChange: (set: UsedPodSet) => void) {
    this.selection = selection;
    this.owner = podSelectorOwner(selection.selector);
    this.group = podGroup(selection.selector);
    this.#onChange = onChange;
  }

  addressSetName(family: Family): string {
    return `${this.group.name}.ipv${family}`;
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
    if (use !== "group" && typeof use === "string") return undefined;
    let place = this.#places.get(use);
    if (place === undefined) {
      place = Object.freeze(
        use === "group"
          ? { table: "Port_Group", row: this.group.uuid, guards: false }
          : { table: "Address_Set", row: this.addressSetUuid(use), family: use },
      );
      this.#places.set(use, place);
    }
    return place;
  }

  /** The rows as they shall be. */
  rows(): Bundle | undefined {
    const families = ([4, 6] as const).filter((family) => this.uses.has(family));
    const group = this.uses.has("group");
    if (!group && families.length === 0) return undefined;
    return podSelectorBundle(this.selection.selector, { group, families });
  }

  addressSetUuid(family: Family): Uuid {
    let uuid = this.#addressSets.get(family);
    if (uuid === undefined) {
      uuid = addressSet({ kind: "pods", selector: this.selection.selector }, family).uuid;
      this.#addressSets.set(family, uuid);
    }
    return uuid;
  }
}

function numbersIn({ classesByNumber }: Numbering): PortNumbers {
  const complete = classesByNumber.size <= maxPortNumbers;
  const all = [...classesByNumber].map(([number, classes]) => ({ number: Number(number), classes }));
  if (!complete) all.sort((one, other) => other.classes - one.classes || one.number - other.number);
  const numbers = all.slice(0, maxPortNumbers).map(({ number }) => number);
  return { numbers: numbers.sort((one, other) => one - other), complete };
}

const sameNumbers = (one: PortNumbers, other: PortNumbers): boolean =>
  one.complete === other.complete && one.numbers.join() === other.numbers.join();

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
    const { classesByNumber, portKey } = numbering;
    const number = labels[portKey];
    if (number === undefined) return;
    const classes = (classesByNumber.get(number) ?? 0) + by;
    if (classes === 0) classesByNumber.delete(number);
    else classesByNumber.set(number, classes);
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

  function numberingOf(set: UsedPodSet, portKey: string): Numbering {
    let numbering = set.numberings.get(portKey);
    if (numbering === undefined) {
      numbering = { portKey, classesByNumber: new Map(), askers: new Set(), answer: { numbers: [], complete: true } };
      set.numberings.set(portKey, numbering);
      for (const podClass of set.selection.classes) count(numbering, podClass, 1);
      numbering.answer = numbersIn(numbering);
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
      return numberingOf(set, key).answer;
    },
    takeRenumbered() {
      const policies = new Set<string>();
      for (const numbering of touchedNumberings) {
        const numbers = numbersIn(numbering);
        if (sameNumbers(numbers, numbering.answer)) continue;
        numbering.answer = numbers;
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
