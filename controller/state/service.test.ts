import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { projectEndpointSlice } from "./endpoint-slice.ts";
import { projectService } from "./service.ts";

describe("a Service's record", () => {
  it("has canonical addresses and networks, each once", () => {
    const service = projectService({
      metadata: { namespace: "ns", name: "s" },
      spec: {
        type: "LoadBalancer",
        clusterIPs: ["10.96.0.1", "FD00:10:96:0::1"],
        externalIPs: ["2001:DB8::1", "2001:db8:0::1"],
        loadBalancerSourceRanges: ["10.1.2.3/8", " 10.0.0.0/8"],
        ports: [{ port: 80 }],
      },
    });
    expect(service).toMatchObject({
      clusterIps: ["10.96.0.1", "fd00:10:96::1"],
      families: [4, 6],
      externalIps: ["2001:db8::1"],
      sourceRanges: ["10.0.0.0/8"],
      ports: [{ name: "", protocol: "tcp", port: 80, nodePort: undefined }],
      skipped: false,
      invalid: [],
    });
  });

  it("has no node ports and no ingress IPs of a former type", () => {
    const service = projectService({
      spec: { clusterIP: "10.96.0.1", ports: [{ port: 80, nodePort: 30080 }] },
      status: { loadBalancer: { ingress: [{ ip: "203.0.113.1" }] } },
    });
    expect(service.ports[0]?.nodePort).toBeUndefined();
    expect(service.ingressIps).toEqual([]);
  });
});

describe("an EndpointSlice's record", () => {
  it("takes absent conditions for ready, and shares equal lists of ports", () => {
    const project = (name: string) =>
      projectEndpointSlice({
        metadata: { namespace: "ns", name, labels: { "kubernetes.io/service-name": "s" } },
        addressType: "IPv4",
        ports: [{ port: 8080 }],
        endpoints: [{ addresses: ["10.0.0.1", "10.0.0.2"] }],
      });
    expect(project("a")).toMatchObject({
      key: "ns/a",
      service: "ns/s",
      family: 4,
      endpoints: [{ address: "10.0.0.1", node: undefined, ready: true, servesWhileEnding: false, zones: undefined }],
      invalid: [],
      triggeredAtMs: undefined,
    });
    expect(project("a").ports).toBe(project("b").ports);
  });
});

it("no object, however odd, makes a projection throw", () => {
  const list = fc.oneof(fc.anything(), fc.array(fc.anything()));
  const odd = fc.oneof(
    fc.anything(),
    fc.record({
      metadata: fc.anything(),
      spec: fc.record({ clusterIPs: list, ports: list, externalIPs: list, loadBalancerSourceRanges: list }),
      status: fc.anything(),
      addressType: fc.constantFrom("IPv4", "IPv6", "FQDN"),
      endpoints: fc.oneof(list, fc.array(fc.record({ addresses: list, conditions: fc.anything(), hints: list }))),
      ports: list,
    }),
  );
  fc.assert(
    fc.property(odd, (raw) => {
      expect(typeof projectService(raw).key).toBe("string");
      expect(typeof projectEndpointSlice(raw).key).toBe("string");
    }),
    { numRuns: 500 },
  );
});
