import { describe, expect, it } from "vitest";
import { podSelector, type Requirement } from "../state/selector.ts";
import { possibleIntersection } from "./selector-contradiction.ts";

const is = (key: string, ...values: string[]): Requirement => ({ key, operator: "In", values });
const pods = (...podRequirements: Requirement[]) => podSelector({ podRequirements });

describe("pods that two selectors could both select", () => {
  it.each([
    ["different values of one label", pods(is("app", "web")), pods(is("app", "db"))],
    [
      "a value that the other forbids",
      pods(is("app", "web")),
      pods({ key: "app", operator: "NotIn", values: ["web"] }),
    ],
    [
      "a label that the other wants absent",
      pods({ key: "app", operator: "Exists" }),
      pods({ key: "app", operator: "DoesNotExist" }),
    ],
    ["different namespaces", podSelector({ namespace: "shop" }), podSelector({ namespace: "bank" })],
    [
      "a namespace of another name",
      podSelector({ namespace: "shop" }),
      podSelector({ namespaceRequirements: [is("kubernetes.io/metadata.name", "bank")] }),
    ],
  ])("are none: %s", (_, a, b) => {
    expect(possibleIntersection(a, b)).toBeUndefined();
    expect(possibleIntersection(b, a)).toBeUndefined();
  });

  it("are those that meet both's conditions", () => {
    expect(possibleIntersection(pods(is("app", "web", "db")), pods(is("app", "db", "queue")))).toBeDefined();
    expect(possibleIntersection(podSelector({ namespace: "shop" }), pods(is("app", "web")))?.text).toBe(
      "shop{}/{app=web}",
    );
    const named = podSelector({ namespaceRequirements: [is("kubernetes.io/metadata.name", "shop", "bank")] });
    expect(possibleIntersection(podSelector({ namespace: "shop" }), named)).toBeDefined();
  });
});
