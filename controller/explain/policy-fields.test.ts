import { describe, expect, it } from "vitest";
import { unknownFields } from "./policy-fields.ts";

const selector = { matchLabels: { anything: "goes" }, matchExpressions: [{ key: "a", operator: "In", values: ["b"] }] };

describe("a policy's fields", () => {
  it("are all that its kind has", () => {
    const peer = { podSelector: selector, namespaceSelector: selector };
    const block = { ipBlock: { cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] } };
    const ports = [{ protocol: "TCP", port: 80, endPort: 90 }];
    expect(
      unknownFields("NetworkPolicy", {
        apiVersion: "networking.k8s.io/v1",
        kind: "NetworkPolicy",
        metadata: { name: "web", namespace: "shop", labels: { any: "" }, annotations: { any: "" }, managedFields: [] },
        spec: {
          podSelector: selector,
          policyTypes: ["Ingress"],
          ingress: [{ from: [peer, block], ports }],
          egress: [{ to: [peer, block], ports }],
        },
        status: { any: "thing" },
      }),
    ).toEqual([]);
    expect(
      unknownFields("AdminNetworkPolicy", {
        spec: {
          priority: 1,
          subject: { namespaces: selector },
          ingress: [{ name: "a", action: "Pass", from: [{ pods: { namespaceSelector: selector, podSelector: {} } }] }],
          egress: [{ action: "Allow", to: [{ networks: ["::/0"] }], ports: [{ portNumber: { port: 1 } }] }],
        },
      }),
    ).toEqual([]);
    expect(
      unknownFields("ClusterNetworkPolicy", {
        spec: { tier: "Admin", ingress: [{ protocols: [{ tcp: { destinationPort: { number: 1 } } }] }] },
      }),
    ).toEqual([]);
  });

  it("that it doesn't have are named, with the nearest that it has", () => {
    expect(
      unknownFields("NetworkPolicy", {
        metadata: { name: "web", namepsace: "shop" },
        spec: { podSelecter: {}, ingress: [{}, { form: [], ports: [{ Port: 80 }] }], whatever: 1 },
        specs: {},
      }),
    ).toEqual([
      "metadata.namepsace is no field: is namespace meant?",
      "spec.podSelecter is no field: is podSelector meant?",
      "spec.ingress[1].form is no field: is from meant?",
      "spec.ingress[1].ports[0].Port is no field: is port meant?",
      "spec.whatever is no field: known are podSelector, policyTypes, ingress, egress",
      "specs is no field: is spec meant?",
    ]);
    expect(unknownFields("AdminNetworkPolicy", { spec: { subject: { namespace: {} } } })).toEqual([
      "spec.subject.namespace is no field: is namespaces meant?",
    ]);
    expect(unknownFields("BaselineAdminNetworkPolicy", { spec: { priority: 1 } })).toEqual([
      "spec.priority is no field: known are subject, ingress, egress",
    ]);
    expect(unknownFields("ClusterNetworkPolicy", { spec: { egress: [{ ports: [] }] } })).toEqual([
      "spec.egress[0].ports is no field: known are name, action, protocols, to",
    ]);
  });

  it("that are inherited by every object are none of its own", () => {
    expect(unknownFields("NetworkPolicy", JSON.parse('{"spec": {"__proto__": {}, "constructor": 1}}'))).toHaveLength(2);
  });

  it("are told up to a bound, however many and long they are", () => {
    const many = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`${"x".repeat(5000)}${index}`, 1]));
    const found = unknownFields("NetworkPolicy", { spec: many });
    expect(found).toHaveLength(20);
    expect(found[0]?.length).toBeLessThan(200);
  });
});
