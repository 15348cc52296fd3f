import { describe, expect, it } from "vitest";
import { projectLabels } from "../state/labels.ts";
import { namespaceLabels } from "../state/namespace.ts";
import { podSelector } from "../state/selector.ts";
import { createSelectorIndex, type Selection } from "./selector-index.ts";

const web = projectLabels({ app: "web", tier: "front", "#tcp/http": "8080" });
const db = projectLabels({ app: "db" });
const is = (key: string, ...values: string[]) => ({ key, operator: "In", values }) as const;

function index() {
  const heard: string[] = [];
  const found = createSelectorIndex(({ selector }, { namespace, labels }, change) => {
    heard.push(`${selector.text} ${change} ${namespace}/${labels.app}`);
  });
  const pods = (selection: Selection): string[] => [...selection.classes].flatMap(({ pods }) => [...pods]).sort();
  return { index: found, heard, pods };
}

describe("the index of selectors", () => {
  it("finds the same whether the pod or the selector is there first", () => {
    const selectors = [
      podSelector({ namespace: "shop" }),
      podSelector({ namespace: "shop", podRequirements: [is("app", "web", "api")] }),
      podSelector({ podRequirements: [is("app", "db")] }),
      podSelector({ podRequirements: [{ key: "tier", operator: "Exists" }] }),
      podSelector({ podRequirements: [{ key: "tier", operator: "DoesNotExist" }] }),
      podSelector({ podRequirements: [{ key: "app", operator: "NotIn", values: ["web"] }] }),
      podSelector({ namespaceRequirements: [is("team", "red")], podRequirements: [is("app", "web")] }),
      podSelector({ namespaceRequirements: [{ key: "team", operator: "DoesNotExist" }] }),
      podSelector({ podRequirements: [is("#tcp/http", "8080"), is("app", "web")] }),
      podSelector({}),
    ];
    const wanted = [["a", "b"], ["a"], ["b", "c"], ["a"], ["b", "c"], ["b", "c"], ["a"], ["c"], ["a"], ["a", "b", "c"]];
    const fill = ({ index: found }: ReturnType<typeof index>): void => {
      found.setNamespace("shop", namespaceLabels("shop", { team: "red" }));
      found.addPod("shop", web, "a");
      found.addPod("shop", db, "b");
      found.addPod("bank", db, "c");
    };
    const [podsFirst, selectorsFirst] = [index(), index()];
    fill(podsFirst);
    const early = selectors.map((selector) => selectorsFirst.index.select(selector));
    fill(selectorsFirst);
    expect(early.map(selectorsFirst.pods)).toEqual(wanted);
    expect(selectors.map((selector) => podsFirst.pods(podsFirst.index.select(selector)))).toEqual(wanted);
  });

  it("looks at selectors only for the first pod of a class", () => {
    const { index: found, heard } = index();
    found.select(podSelector({ namespace: "shop" }));
    found.addPod("shop", web, "a");
    found.addPod("shop", web, "b");
    found.removePod("shop", web, "a");
    expect(heard).toEqual(["shop{}/{} gained shop/web"]);
    found.removePod("shop", web, "b");
    expect(heard).toEqual(["shop{}/{} gained shop/web", "shop{}/{} lost shop/web"]);
    expect(found.classes).toBe(0);
  });

  it("knows a namespace by its name before it knows its labels, and again after they are gone", () => {
    const { index: found, heard } = index();
    found.select(podSelector({ namespaceRequirements: [is("kubernetes.io/metadata.name", "shop")] }));
    found.select(podSelector({ namespaceRequirements: [is("team", "red")] }));
    found.addPod("shop", web, "a");
    found.setNamespace("shop", namespaceLabels("shop", { team: "red" }));
    found.setNamespace("shop", undefined);
    expect(heard).toEqual([
      "{kubernetes.io/metadata.name=shop}/{} gained shop/web",
      "{team=red}/{} gained shop/web",
      "{team=red}/{} lost shop/web",
    ]);
  });

  it("forgets a selector that nobody asks for", () => {
    const { index: found, heard } = index();
    const selection = found.select(podSelector({ podRequirements: [is("app", "web")] }));
    found.addPod("shop", web, "a");
    found.drop(selection);
    heard.length = 0;
    found.addPod("bank", web, "b");
    expect(heard).toEqual([]);
    expect(found.selections).toBe(0);
  });
});
