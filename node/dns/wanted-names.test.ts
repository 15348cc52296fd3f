import { adminNetworkPolicies, KubeError, type Resource } from "@ovenbird/kube";
import { describe, expect, it } from "vitest";
import { followWantedNames, projectNames } from "./wanted-names.ts";

const policy = (...to: readonly unknown[]) => ({ spec: { egress: [{ action: "Allow", to }] } });

describe("the names that a policy gives", () => {
  it("are those of its egress peers, each once, in lower case and without the dot at the end", () => {
    const peers = [{ domainNames: ["A.example.com.", "*.b.example.com"] }, { domainNames: ["a.example.com"] }];
    expect(projectNames(policy(...peers, { networks: ["192.0.2.0/24"] }))).toEqual([
      "a.example.com",
      "*.b.example.com",
    ]);
  });

  it.each([
    {},
    { spec: null },
    { spec: { egress: {} } },
    { spec: { egress: [null, { to: "all" }] } },
    policy(null, { domainNames: "a" }, { domainNames: [1, null, "a b", "*", "a.*.c", ""] }),
  ])("are none where %j can't be read", (raw) => expect(projectNames(raw)).toEqual([]));
});

describe("the names that policies give", () => {
  it("are gone with the definition of the policies", async () => {
    let isKnown = true;
    const removed = Promise.withResolvers<void>();
    const client = {
      async listPage(resource: Resource) {
        if (!isKnown || resource !== adminNetworkPolicies) throw new KubeError("NOT_FOUND", "absent");
        const item = { ...policy({ domainNames: ["*.example.com"] }), metadata: { name: "a", resourceVersion: "1" } };
        return { items: [item] as never[], resourceVersion: "1", continue: undefined };
      },
      async watch() {
        await removed.promise;
        throw new KubeError("NOT_FOUND", "absent");
      },
    };
    let changed = Promise.withResolvers<void>();
    const names = followWantedNames(client, { debug() {}, info() {}, warn() {} }, () => changed.resolve());
    await changed.promise;
    expect([names.size, names.means("a.example.com"), names.means("example.com")]).toEqual([1, true, false]);
    changed = Promise.withResolvers();
    isKnown = false;
    removed.resolve();
    await changed.promise;
    expect([names.size, names.means("a.example.com")]).toEqual([0, false]);
    names.close();
  });
});
