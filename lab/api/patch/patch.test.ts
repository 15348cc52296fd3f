import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { JsonObject, JsonValue } from "../object.ts";
import { messageOf } from "../types/types.ts";
import { applyJsonPatch } from "./json-patch.ts";
import { applyMergePatch } from "./merge-patch.ts";
import { applyStrategicMergePatch } from "./strategic-merge-patch.ts";

const pod = messageOf("", "Pod");
const service = messageOf("", "Service");

describe("merge patch", () => {
  // The examples of RFC 7386, appendix A.
  it.each<[JsonValue, JsonValue, JsonValue]>([
    [{ a: "b" }, { a: "c" }, { a: "c" }],
    [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
    [{ a: "b" }, { a: null }, {}],
    [{ a: ["b"] }, { a: "c" }, { a: "c" }],
    [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
    [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
    [
      ["a", "b"],
      ["c", "d"],
      ["c", "d"],
    ],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])("%j + %j", (target, patch, expected) => expect(applyMergePatch(target, patch)).toEqual(expected));

  it("applied twice is applied once", () => {
    fc.assert(
      fc.property(fc.object({ maxDepth: 3 }), fc.object({ maxDepth: 3 }), (target, patch) => {
        const plain = (value: object) => JSON.parse(JSON.stringify(value)) as JsonObject;
        const once = applyMergePatch(plain(target), plain(patch));
        expect(applyMergePatch(structuredClone(once), plain(patch))).toEqual(once);
      }),
    );
  });
});

describe("JSON patch", () => {
  it("does what RFC 6902 says of each operation", () => {
    const document = { a: [1, 2], b: { "c/d": 1 } };
    const patch = [
      { op: "add", path: "/a/1", value: 9 },
      { op: "add", path: "/a/-", value: 3 },
      { op: "replace", path: "/b/c~1d", value: 2 },
      { op: "copy", from: "/a", path: "/e" },
      { op: "move", from: "/b/c~1d", path: "/f" },
      { op: "remove", path: "/a/0" },
      { op: "test", path: "/f", value: 2 },
    ];
    expect(applyJsonPatch(document, patch)).toEqual({ a: [9, 2, 3], b: {}, e: [1, 9, 2, 3], f: 2 });
  });

  it.each([
    [{ op: "remove", path: "/missing" }],
    [{ op: "add", path: "/list/7", value: 1 }],
    [{ op: "replace", path: "/missing", value: 1 }],
    [{ op: "test", path: "/list/0", value: 2 }],
    [{ op: "add", path: "/__proto__", value: {} }],
    [{ op: "dance", path: "/list" }],
    [{ op: "add", path: "list", value: 1 }],
  ])("refuses %j", (operation) => expect(() => applyJsonPatch({ list: [1] }, [operation])).toThrow());
});

describe("strategic merge patch", () => {
  const containers = (...list: JsonObject[]): JsonObject => ({ spec: { containers: list } });

  it("merges containers by name and environment by name", () => {
    const target = containers({ name: "a", image: "x", env: [{ name: "E", value: "1" }] }, { name: "b", image: "y" });
    const patch = containers({ name: "a", env: [{ name: "F", value: "2" }] });
    expect(applyStrategicMergePatch(pod, target, patch)).toEqual(
      containers(
        {
          name: "a",
          image: "x",
          env: [
            { name: "E", value: "1" },
            { name: "F", value: "2" },
          ],
        },
        { name: "b", image: "y" },
      ),
    );
  });

  it("deletes list members by directive and orders them by $setElementOrder", () => {
    const target = containers({ name: "a" }, { name: "b" }, { name: "c" });
    const patch = {
      spec: {
        "$setElementOrder/containers": [{ name: "c" }, { name: "a" }],
        containers: [{ name: "b", $patch: "delete" }],
      },
    };
    expect(applyStrategicMergePatch(pod, target, patch)).toEqual(containers({ name: "c" }, { name: "a" }));
  });

  it("replaces by directive, atomic lists always, and keeps only retained keys", () => {
    const target = {
      spec: { nodeSelector: { a: "1" }, tolerations: [{ key: "x" }], volumes: [{ name: "v", emptyDir: {} }] },
    };
    const patch = {
      spec: {
        nodeSelector: { $patch: "replace", b: "2" },
        tolerations: [{ key: "y" }],
        volumes: [{ name: "v", $retainKeys: ["name", "hostPath"], hostPath: { path: "/" } }],
      },
    };
    expect(applyStrategicMergePatch(pod, target, patch)).toEqual({
      spec: {
        nodeSelector: { b: "2" },
        tolerations: [{ key: "y" }],
        volumes: [{ name: "v", hostPath: { path: "/" } }],
      },
    });
  });

  it("treats finalizers as a set", () => {
    const target = { metadata: { finalizers: ["a", "b"] } };
    const patch = { metadata: { "$deleteFromPrimitiveList/finalizers": ["a"], finalizers: ["c"] } };
    expect(applyStrategicMergePatch(pod, target, patch)).toEqual({ metadata: { finalizers: ["b", "c"] } });
  });

  it("tells a service's ports of one number apart by protocol", () => {
    const target = {
      spec: {
        ports: [
          { port: 53, protocol: "UDP", nodePort: 1 },
          { port: 53, protocol: "TCP" },
        ],
      },
    };
    const patch = { spec: { ports: [{ port: 53, protocol: "TCP", name: "tcp" }] } };
    expect(applyStrategicMergePatch(service, target, patch)).toEqual({
      spec: {
        ports: [
          { port: 53, protocol: "UDP", nodePort: 1 },
          { port: 53, protocol: "TCP", name: "tcp" },
        ],
      },
    });
  });

  it("leaves no directive behind in what is new", () => {
    const patch = {
      metadata: { labels: { $patch: "merge", a: "1" } },
      spec: { containers: [{ name: "a", $patch: "merge", image: "x" }] },
    };
    expect(JSON.stringify(applyStrategicMergePatch(pod, {}, patch))).not.toContain("$patch");
  });
});
