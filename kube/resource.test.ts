import { describe, expect, it } from "vitest";
import { apiVersionOf, leases, nodes, pathOf, pods } from "./resource.ts";

describe("a resource's path", () => {
  it.each([
    [pods, {}, "/api/v1/pods"],
    [pods, { namespace: "shop" }, "/api/v1/namespaces/shop/pods"],
    [pods, { namespace: "shop", name: "web", subresource: "status" }, "/api/v1/namespaces/shop/pods/web/status"],
    [nodes, { namespace: "ignored", name: "n1" }, "/api/v1/nodes/n1"],
    [
      leases,
      { namespace: "kube-system", name: "a/../b" },
      "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/a%2F..%2Fb",
    ],
  ])("of $plural for %j is %s", (resource, target, path) => {
    expect(pathOf(resource, target)).toBe(path);
  });

  it("goes with an apiVersion", () => {
    expect([apiVersionOf(pods), apiVersionOf(leases)]).toEqual(["v1", "coordination.k8s.io/v1"]);
  });
});
