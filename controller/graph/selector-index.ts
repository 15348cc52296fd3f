import type { Labels } from "../state/labels.ts";
import { namespaceLabels as namespaceLabelsOf } from "../state/namespace.ts";
import { meetsAll, type PodSelector, type Requirement, selects } from "../state/selector.ts";
import { noPlaces, type PodClass } from "./pod-class.ts";

/** A selector that somebody asks for, and the classes of pods that it selects. */
export interface Selection {
  readonly selector: PodSelector;
  readonly classes: ReadonlySet<PodClass>;
}

/**
 * Which selectors select which pods, kept up by differences. A pod costs the labels that it has, and only when it is the first
 * of its class; a selector costs the classes that it could select after its namespace and one of its labels; a namespace costs its
 * classes. Selectors of equal text are one.
 */
export interface SelectorIndex {
  /** The selector's selection, made when it is the first of its text. */
  select(selector: PodSelector): Selection;
  /** Forgets a selection that nobody asks for any more. */
  drop(selection: Selection): void;
  addPod(namespace: string, labels: Labels, key: string): PodClass;
  removePod(namespace: string, labels: Labels, key: string): void;
  classOf(namespace: string, labels: Labels): PodClass | undefined;
  /** @param labels undefined for a namespace that isn't known: nothing but its name is */
  setNamespace(name: string, labels: Labels | undefined): void;
  namespaceLabels(name: string): Labels;
  readonly selections: number;
  readonly classes: number;
}

interface IndexedSelection extends Selection {
  readonly classes: Set<PodClass>;
}

/** Told of each class that a selection gains or loses. */
export type OnMatch = (selection: Selection, podClass: PodClass, change: "gained" | "lost") => void;

type Buckets = Map<string, Map<string, Set<IndexedSelection>>>;

const anyLabels = "";

/** Under which texts those are to be found who could meet all conditions: one condition's, for the others are looked at then. */
function anchorsOf(requirements: readonly Requirement[]): readonly string[] {
  // The last one, since named ports sort first and tell the least.
  const chosen = requirements.findLast(({ operator }) => operator === "In");
  if (chosen?.operator === "In") return chosen.values.map((value) => `${chosen.key}=${value}`);
  const present = requirements.findLast(({ operator }) => operator === "Exists");
  return [present?.key ?? anyLabels];
}

/** All texts under which conditions may be filed that these labels could meet. */
function textsOf(labels: Labels): string[] {
  const texts = [anyLabels];
  for (const key in labels) texts.push(key, `${key}=${labels[key]}`);
  return texts;
}

/** No label begins with a slash, so a namespace's name is told from a label. */
const inNamespace = (name: string): string => `/${name}`;

function scopesOf({ namespace, namespaceRequirements }: PodSelector): readonly string[] {
  return namespace === undefined ? anchorsOf(namespaceRequirements) : [inNamespace(namespace)];
}

interface Namespace {
  labels: Labels | undefined;
  readonly classes: Map<Labels, PodClass>;
}

export function createSelectorIndex(onMatch: OnMatch): SelectorIndex {
  const byText = new Map<string, IndexedSelection>();
  const buckets: Buckets = new Map();
  const namespaces = new Map<string, Namespace>();
  /** Classes by label, for those labels only by which a selector of all namespaces was looked up. */
  const byLabel = new Map<string, Map<string, Set<PodClass>>>();
  let classes = 0;

  const namespaceLabels = (name: string): Labels => namespaces.get(name)?.labels ?? namespaceLabelsOf(name);

  function* selectorsFor({ namespace, labels }: PodClass): Generator<IndexedSelection> {
    const ofNamespace = namespaceLabels(namespace);
    const anchors = textsOf(labels);
    for (const scope of [inNamespace(namespace), ...textsOf(ofNamespace)]) {
      const byAnchor = buckets.get(scope);
      if (byAnchor === undefined) continue;
      for (const anchor of anchors) {
        for (const selection of byAnchor.get(anchor) ?? []) {
          if (selects(selection.selector, namespace, ofNamespace, labels)) yield selection;
        }
      }
    }
  }

  function gain(selection: IndexedSelection, podClass: PodClass): void {
    selection.classes.add(podClass);
    podClass.selections.push(selection);
    onMatch(selection, podClass, "gained");
  }

  function lose(selection: IndexedSelection, podClass: PodClass): void {
    selection.classes.delete(podClass);
    podClass.selections.splice(podClass.selections.indexOf(selection), 1);
    onMatch(selection, podClass, "lost");
  }

  function fileUnder(classesByValue: Map<string, Set<PodClass>>, value: string, podClass: PodClass): void {
    const present = classesByValue.get(value);
    if (present === undefined) classesByValue.set(value, new Set([podClass]));
    else present.add(podClass);
  }

  function* allClasses(): Generator<PodClass> {
    for (const namespace of namespaces.values()) yield* namespace.classes.values();
  }

  function classesWith(key: string): Map<string, Set<PodClass>> {
    let byValue = byLabel.get(key);
    if (byValue === undefined) {
      byValue = new Map();
      byLabel.set(key, byValue);
      for (const podClass of allClasses()) {
        const value = Object.hasOwn(podClass.labels, key) ? podClass.labels[key] : undefined;
        if (value !== undefined) fileUnder(byValue, value, podClass);
      }
    }
    return byValue;
  }

  function* candidatesFor({ namespace, namespaceRequirements, podRequirements }: PodSelector): Generator<PodClass> {
    if (namespace !== undefined) {
      yield* namespaces.get(namespace)?.classes.values() ?? [];
      return;
    }
    if (namespaceRequirements.length > 0) {
      for (const [name, { classes: own }] of namespaces) {
        if (own.size > 0 && meetsAll(namespaceLabels(name), namespaceRequirements)) yield* own.values();
      }
      return;
    }
    const chosen =
      podRequirements.findLast(({ operator }) => operator === "In") ??
      podRequirements.findLast(({ operator }) => operator === "Exists");
    if (chosen === undefined) yield* allClasses();
    else if (chosen.operator === "In") {
      for (const value of chosen.values) yield* classesWith(chosen.key).get(value) ?? [];
    } else for (const own of classesWith(chosen.key).values()) yield* own;
  }

  function file(selection: IndexedSelection): void {
    for (const scope of scopesOf(selection.selector)) {
      const byAnchor = buckets.get(scope) ?? new Map<string, Set<IndexedSelection>>();
      buckets.set(scope, byAnchor);
      for (const anchor of anchorsOf(selection.selector.podRequirements)) {
        const filed = byAnchor.get(anchor);
        if (filed === undefined) byAnchor.set(anchor, new Set([selection]));
        else filed.add(selection);
      }
    }
  }

  function unfile(selection: Selection): void {
    for (const scope of scopesOf(selection.selector)) {
      const byAnchor = buckets.get(scope);
      for (const anchor of anchorsOf(selection.selector.podRequirements)) {
        const filed = byAnchor?.get(anchor);
        filed?.delete(selection as IndexedSelection);
        if (filed?.size === 0) byAnchor?.delete(anchor);
      }
      if (byAnchor?.size === 0) buckets.delete(scope);
    }
  }

  function namespaceOf(name: string): Namespace {
    let namespace = namespaces.get(name);
    if (namespace === undefined) {
      namespace = { labels: undefined, classes: new Map() };
      namespaces.set(name, namespace);
    }
    return namespace;
  }

  function forgetIfEmpty(name: string): void {
    const namespace = namespaces.get(name);
    if (namespace?.classes.size === 0 && namespace.labels === undefined) namespaces.delete(name);
  }

  function newClass(name: string, labels: Labels): PodClass {
    const podClass: PodClass = { namespace: name, labels, pods: new Set(), selections: [], places: noPlaces };
    namespaceOf(name).classes.set(labels, podClass);
    classes += 1;
    for (const [key, byValue] of byLabel) {
      const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
      if (value !== undefined) fileUnder(byValue, value, podClass);
    }
    for (const selection of [...selectorsFor(podClass)]) gain(selection, podClass);
    return podClass;
  }

  function removeClass(podClass: PodClass): void {
    const { namespace, labels, selections } = podClass;
    for (const selection of [...selections]) lose(selection as IndexedSelection, podClass);
    namespaces.get(namespace)?.classes.delete(labels);
    classes -= 1;
    for (const [key, byValue] of byLabel) {
      const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
      if (value === undefined) continue;
      byValue.get(value)?.delete(podClass);
      if (byValue.get(value)?.size === 0) byValue.delete(value);
    }
    forgetIfEmpty(namespace);
  }

  return {
    select(selector) {
      const known = byText.get(selector.text);
      if (known !== undefined) return known;
      const selection: IndexedSelection = { selector, classes: new Set() };
      byText.set(selector.text, selection);
      file(selection);
      for (const podClass of [...candidatesFor(selector)]) {
        const { namespace, labels } = podClass;
        if (selects(selector, namespace, namespaceLabels(namespace), labels)) gain(selection, podClass);
      }
      return selection;
    },
    drop(selection) {
      const { selector } = selection;
      if (byText.get(selector.text) !== selection) return;
      byText.delete(selector.text);
      unfile(selection);
      for (const podClass of [...selection.classes]) lose(selection as IndexedSelection, podClass);
    },
    addPod(name, labels, key) {
      const podClass = namespaces.get(name)?.classes.get(labels) ?? newClass(name, labels);
      podClass.pods.add(key);
      return podClass;
    },
    removePod(name, labels, key) {
      const podClass = namespaces.get(name)?.classes.get(labels);
      if (podClass === undefined || !podClass.pods.delete(key) || podClass.pods.size > 0) return;
      removeClass(podClass);
    },
    classOf: (name, labels) => namespaces.get(name)?.classes.get(labels),
    setNamespace(name, labels) {
      const namespace = namespaceOf(name);
      if (namespace.labels === labels) return forgetIfEmpty(name);
      namespace.labels = labels;
      for (const podClass of namespace.classes.values()) {
        const wanted = new Set(selectorsFor(podClass));
        for (const selection of [...podClass.selections] as IndexedSelection[]) {
          if (!wanted.has(selection)) lose(selection, podClass);
        }
        const present = new Set<Selection>(podClass.selections);
        for (const selection of wanted) if (!present.has(selection)) gain(selection, podClass);
      }
      forgetIfEmpty(name);
    },
    namespaceLabels,
    get selections() {
      return byText.size;
    },
    get classes() {
      return classes;
    },
  };
}
