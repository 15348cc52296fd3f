import { describe, expect, it } from "vitest";
import { discover } from "./discovery.ts";
import { KubeError } from "./error.ts";
import { leases, nodes, pods } from "./resource.ts";

const plain: Readonly<Record<string, unknown>> = {
  "/api": { kind: "APIVersions", versions: ["v1"] },
  "/api/v1": {
    resources: [
      { name: "pods", kind: "Pod", namespaced: true, verbs: ["get", "list", "watch"], shortNames: ["po"] },
      { name: "pods/status", kind: "Pod", namespaced: true, verbs: ["patch"] },
      { name: "nodes", kind: "Node", namespaced: false, verbs: ["get"] },
    ],
  },
  "/apis": {
    kind: "APIGroupList",
    groups: [
      {
        name: "birds.io",
        versions: [{ version: "v1beta1" }, { version: "v1" }],
        preferredVersion: { version: "v1" },
      },
      { name: "metrics.k8s.io", versions: [{ version: "v1" }] },
    ],
  },
  "/apis/birds.io/v1": { resources: [{ name: "nests", kind: "Nest", namespaced: true, verbs: [] }] },
  "/apis/birds.io/v1beta1": { resources: [{ name: "nests", kind: "Nest", namespaced: true, verbs: [] }] },
};

async function fetchPlain(path: string): Promise<unknown> {
  if (!(path in plain)) throw new KubeError("UNAVAILABLE", "the aggregated server is down");
  return plain[path];
}

describe("discovery", () => {
  it("asks version by version where the server is old, and goes on without what is down", async () => {
    const found = await discover(fetchPlain);
    expect(found.has(pods)).toBe(true);
    expect(found.has(leases)).toBe(false);
    expect(found.find("", "pods")).toEqual({
      ...pods,
      verbs: ["get", "list", "watch"],
      subresources: ["status"],
      shortNames: ["po"],
    });
    expect(found.find("", "nodes")).toMatchObject(nodes);
    expect(found.find("birds.io", "nests")?.version).toBe("v1");
    expect(found.find("birds.io", "nests", "v1beta1")?.version).toBe("v1beta1");
    expect(found.failedGroups).toEqual(["metrics.k8s.io/v1"]);
  });

  it("takes all in two requests where the server can", async () => {
    const asked: string[] = [];
    const found = await discover(async (path) => {
      asked.push(path);
      const item = {
        metadata: path === "/api" ? {} : { name: "coordination.k8s.io" },
        versions: [
          {
            version: "v1",
            freshness: path === "/api" ? "Current" : "Stale",
            resources: [
              {
                resource: path === "/api" ? "pods" : "leases",
                responseKind: { kind: path === "/api" ? "Pod" : "Lease" },
                scope: "Namespaced",
                verbs: ["get"],
                subresources: [{ subresource: "status" }],
              },
            ],
          },
        ],
      };
      return { kind: "APIGroupDiscoveryList", items: [item] };
    });
    expect(asked).toEqual(["/api", "/apis"]);
    expect([found.has(pods), found.has(leases)]).toEqual([true, true]);
    expect(found.find("", "pods")).toMatchObject({ ...pods, subresources: ["status"] });
    expect(found.failedGroups).toEqual(["coordination.k8s.io/v1"]);
  });
});
