import { describe, expect, it } from "vitest";
import { projectService } from "./project-service.ts";

const restricted = (...loadBalancerSourceRanges: readonly string[]) =>
  projectService({
    metadata: { namespace: "shop", name: "web", uid: "1" },
    spec: { type: "LoadBalancer", clusterIP: "10.96.0.10", ports: [{ port: 80 }], loadBalancerSourceRanges },
    status: { loadBalancer: { ingress: [{ ip: "203.0.113.9" }] } },
  })?.sourceRanges;

describe("a Service's source ranges", () => {
  it("are absent where none is given", () => {
    expect(restricted()).toBeUndefined();
  });

  it("are networks in one spelling, each once", () => {
    expect(restricted("198.51.100.0/24", " 198.51.100.0/24 ", "2001:DB8:0::/32")).toEqual([
      "198.51.100.0/24",
      "2001:db8::/32",
    ]);
  });

  it("are nobody where none can be read, for they become part of a flow", () => {
    expect(restricted("bananas", "198.51.100.0/33", "198.51.100.0", "0.0.0.0/0,tp_dst=22", "10.0.0.0/8/8")).toEqual([]);
  });
});
