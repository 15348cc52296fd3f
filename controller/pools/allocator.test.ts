import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { projectAddressPool } from "../state/address-pool.ts";
import { projectService } from "../state/service.ts";
import { parseRange } from "./address-range.ts";
import { type Allocator, type BalancedService, createAllocator } from "./allocator.ts";

interface PoolOptions {
  readonly autoAssign?: boolean;
  readonly at?: number;
}
const time = (at: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, at)).toISOString().replace(".000Z", "Z");
const pool = (name: string, addresses: readonly string[], { autoAssign = true, at = 0 }: PoolOptions = {}) =>
  projectAddressPool({
    metadata: { name, uid: name, creationTimestamp: time(at), generation: 1 },
    spec: { addresses, autoAssign },
  });

interface ServiceOptions {
  readonly at?: number;
  readonly uid?: string;
  readonly type?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ingress?: readonly string[];
  readonly families?: readonly string[];
  readonly externalIPs?: readonly string[];
  readonly loadBalancerClass?: string;
  readonly loadBalancerIP?: string;
}
function service(name: string, options: ServiceOptions = {}): BalancedService {
  const { at = 0, uid = name, type = "LoadBalancer", annotations = {}, ingress = [], families = ["IPv4"] } = options;
  const { externalIPs, loadBalancerClass, loadBalancerIP } = options;
  return projectService({
    metadata: { namespace: "ns", name, uid, creationTimestamp: time(at), annotations },
    spec: { type, clusterIP: "10.96.0.9", ipFamilies: families, externalIPs, loadBalancerClass, loadBalancerIP },
    status: { loadBalancer: { ingress: ingress.map((ip) => ({ ip, ipMode: "VIP" })) } },
  });
}

const reserved = ["10.244.0.0/16", "192.0.2.1-192.0.2.1"].flatMap((text) => parseRange(text) ?? []);

function allocatorWith(
  pools: readonly ReturnType<typeof pool>[],
  services: readonly BalancedService[] = [],
): Allocator {
  const allocator = createAllocator();
  allocator.reserve(reserved);
  for (const one of pools) allocator.setPool(one);
  for (const one of services) allocator.setService(one);
  allocator.begin();
  allocator.settle();
  return allocator;
}
const codes = (allocator: Allocator, name: string) => allocator.problems(`ns/${name}`).map(({ code }) => code);

describe("the allocator", () => {
  it("gives a Service the lowest free address of each of its families", () => {
    const both = { families: ["IPv4", "IPv6"] };
    const allocator = allocatorWith([pool("p", ["192.0.2.0/29", "2001:db8::/64"])], [service("a", both)]);
    expect(allocator.ingress("ns/a")).toEqual(["192.0.2.0", "2001:db8::"]);
    allocator.setService(service("b", both));
    expect([...allocator.settle().services]).toEqual(["ns/b"]);
    // 192.0.2.1 is a node's.
    expect(allocator.ingress("ns/b")).toEqual(["192.0.2.2", "2001:db8::1"]);
  });

  it("hands out from the greatest ranges at no cost", () => {
    const services = Array.from({ length: 1000 }, (_, at) => service(`s${at}`, { families: ["IPv4", "IPv6"] }));
    const allocator = allocatorWith([pool("p", ["11.0.0.0/8", "2001:db8::/32"])], services);
    const [one] = allocator.pools();
    expect(one && allocator.assigned(one)).toEqual({ 4: 1000, 6: 1000 });
  });

  it("is off without pools", () => {
    const allocator = allocatorWith([], [service("a")]);
    expect([allocator.ingress("ns/a"), codes(allocator, "a")]).toEqual([undefined, []]);
  });

  it("keeps what statuses say before it hands out anything, the older Service first", () => {
    const allocator = allocatorWith(
      [pool("p", ["192.0.2.8/30"])],
      [
        service("new", { at: 0 }),
        service("younger", { at: 2, ingress: ["192.0.2.8"] }),
        service("older", { at: 1, ingress: ["192.0.2.8"] }),
      ],
    );
    expect(["older", "new", "younger"].map((name) => allocator.ingress(`ns/${name}`))).toEqual([
      ["192.0.2.8"],
      ["192.0.2.9"],
      ["192.0.2.10"],
    ]);
    expect(codes(allocator, "younger")).toEqual(["POOL_ADDRESS_CONFLICT"]);
  });

  it("lets wait who finds nothing, until an address is free", () => {
    const allocator = allocatorWith([pool("p", ["192.0.2.8/32"])], [service("a"), service("b", { at: 1 })]);
    expect([allocator.ingress("ns/b"), codes(allocator, "b")]).toEqual([[], ["POOL_EXHAUSTED"]]);
    allocator.deleteService("ns/a");
    expect([...allocator.settle().services]).toEqual(["ns/b"]);
    expect([allocator.ingress("ns/b"), codes(allocator, "b")]).toEqual([["192.0.2.8"], []]);
  });

  it("gives the addresses that are asked for, if they are free, and otherwise none", () => {
    const asks = (text: string) => ({ annotations: { "ovenbird.io/load-balancer-addresses": text } });
    const allocator = allocatorWith(
      [pool("p", ["192.0.2.0/28"])],
      [
        service("a", asks("192.0.2.9")),
        service("b", { at: 1, ...asks("192.0.2.9") }),
        service("node", asks("192.0.2.1")),
        service("word", asks("nine")),
        service("old", { loadBalancerIP: "192.0.2.7" }),
      ],
    );
    expect(allocator.ingress("ns/a")).toEqual(["192.0.2.9"]);
    expect(allocator.ingress("ns/old")).toEqual(["192.0.2.7"]);
    expect(codes(allocator, "b")).toEqual(["POOL_ADDRESS_UNAVAILABLE"]);
    expect(codes(allocator, "node")).toEqual(["POOL_ADDRESS_UNAVAILABLE"]);
    expect([allocator.ingress("ns/word"), codes(allocator, "word")]).toEqual([[], ["POOL_ADDRESS_INVALID"]]);
    allocator.setService(service("a", { ...asks("192.0.2.10"), ingress: ["192.0.2.9"] }));
    allocator.settle();
    expect([allocator.ingress("ns/a"), allocator.ingress("ns/b")]).toEqual([["192.0.2.10"], ["192.0.2.9"]]);
  });

  it("takes from the pool that is named, also one that is not for everybody", () => {
    const named = (name: string) => ({ annotations: { "ovenbird.io/address-pool": name } });
    const pools = [pool("p", ["192.0.2.8/30"]), pool("vip", ["192.0.2.16/30"], { autoAssign: false })];
    const allocator = allocatorWith(pools, [service("a", named("vip")), service("b", named("none")), service("c")]);
    expect(allocator.ingress("ns/a")).toEqual(["192.0.2.16"]);
    expect(allocator.ingress("ns/c")).toEqual(["192.0.2.8"]);
    expect(codes(allocator, "b")).toEqual(["POOL_UNKNOWN"]);
  });

  it("leaves Services of other classes, and what others gave, alone", () => {
    const pools = [pool("p", ["192.0.2.8/30"])];
    const allocator = allocatorWith(pools, [
      service("other", { loadBalancerClass: "example.com/other", ingress: ["192.0.2.8"] }),
      service("given", { ingress: ["203.0.113.1"] }),
      service("ours", { loadBalancerClass: "ovenbird.io/address-pool", externalIPs: ["192.0.2.9"] }),
    ]);
    expect(allocator.ingress("ns/other")).toBeUndefined();
    expect(allocator.ingress("ns/given")).toBeUndefined();
    // 192.0.2.8 was given by somebody else, and 192.0.2.9 is used by the Service itself.
    expect(allocator.ingress("ns/ours")).toEqual(["192.0.2.10"]);
  });

  it("frees the address of a Service that is no load balancer any more, and clears its status", () => {
    const allocator = allocatorWith([pool("p", ["192.0.2.8/32"])], [service("a"), service("b", { at: 1 })]);
    allocator.setService(service("a", { type: "ClusterIP", ingress: ["192.0.2.8"] }));
    allocator.settle();
    expect([allocator.ingress("ns/a"), allocator.ingress("ns/b")]).toEqual([[], ["192.0.2.8"]]);
    allocator.setService(service("a", { type: "ClusterIP" }));
    allocator.settle();
    expect(allocator.ingress("ns/a")).toBeUndefined();
  });

  it("lets a Service keep an address that its pool loses, and says so", () => {
    const allocator = allocatorWith([pool("p", ["192.0.2.8/30"])], [service("a")]);
    allocator.setService(service("a", { ingress: ["192.0.2.8"] }));
    allocator.setPool(pool("p", ["192.0.2.16/30"]));
    allocator.settle();
    expect([allocator.ingress("ns/a"), codes(allocator, "a")]).toEqual([["192.0.2.8"], ["POOL_ADDRESS_LEFT"]]);
  });

  it("moves a Service from an address that became a node's", () => {
    const allocator = allocatorWith([pool("p", ["192.0.2.8/30"])], [service("a")]);
    allocator.reserve([...reserved, ...["192.0.2.8/32"].flatMap((text) => parseRange(text) ?? [])]);
    allocator.settle();
    expect(allocator.ingress("ns/a")).toEqual(["192.0.2.9"]);
  });

  it("leaves out of pools what is wrong, the cluster's, or an older pool's, and says so", () => {
    const allocator = allocatorWith([
      pool("younger", ["192.0.2.8-192.0.2.20"], { at: 1 }),
      pool("older", ["192.0.2.16/28", "192.0.2.5/28", "10.244.1.0/24", "127.0.0.0/8"]),
    ]);
    const [older, younger] = allocator.pools();
    expect(older?.problems.map(({ code }) => code)).toEqual(["POOL_RANGE_INVALID", "POOL_RANGE_RESERVED"]);
    expect(older?.ranges.length).toBe(1);
    expect(younger?.problems.map(({ code }) => code)).toEqual(["POOL_OVERLAPS"]);
    expect(younger?.ranges.map(({ last }) => last & 255n)).toEqual([15n]);
  });

  it("never gives an address twice, whatever comes, and a restart changes nothing", () => {
    const names = ["a", "b", "c", "d", "e"];
    const step = fc.oneof(
      fc.record({
        kind: fc.constant("service" as const),
        name: fc.constantFrom(...names),
        type: fc.constantFrom("LoadBalancer", "LoadBalancer", "LoadBalancer", "ClusterIP"),
        asked: fc.constantFrom("", "", "192.0.2.8", "192.0.2.9", "192.0.2.17"),
        named: fc.constantFrom("", "", "p", "q"),
        families: fc.constantFrom(["IPv4"], ["IPv6"], ["IPv4", "IPv6"]),
      }),
      fc.record({ kind: fc.constant("delete" as const), name: fc.constantFrom(...names) }),
      fc.record({
        kind: fc.constant("pool" as const),
        name: fc.constantFrom("p", "q"),
        addresses: fc.constantFrom(
          ["192.0.2.8/31", "2001:db8::/127"],
          ["192.0.2.8/30"],
          ["192.0.2.16/31", "2001:db8::/126"],
        ),
      }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const allocator = allocatorWith([]);
        const pools = new Map<string, ReturnType<typeof pool>>();
        const wishes = new Map<string, ServiceOptions>();
        const statuses = new Map<string, readonly string[]>();
        const put = (name: string) => {
          const ingress = statuses.get(name) ?? [];
          return service(name, { ...wishes.get(name), ingress, at: names.indexOf(name) });
        };
        function settle(): void {
          // As the API would have it: what is decided is written, comes back, and so on until nothing changes.
          for (let round = 0; round < 10; round++) {
            allocator.settle();
            let changed = false;
            for (const name of wishes.keys()) {
              const wanted = allocator.ingress(`ns/${name}`);
              if (wanted === undefined || wanted.join() === (statuses.get(name) ?? []).join()) continue;
              statuses.set(name, wanted);
              allocator.setService(put(name));
              changed = true;
            }
            if (!changed) return;
          }
          throw new Error("it does not come to rest");
        }
        for (const one of steps) {
          if (one.kind === "delete") {
            wishes.delete(one.name);
            statuses.delete(one.name);
            allocator.deleteService(`ns/${one.name}`);
          } else if (one.kind === "pool") {
            pools.set(one.name, pool(one.name, one.addresses));
            allocator.setPool(pool(one.name, one.addresses));
          } else {
            const annotations = {
              ...(one.asked === "" ? {} : { "ovenbird.io/load-balancer-addresses": one.asked }),
              ...(one.named === "" ? {} : { "ovenbird.io/address-pool": one.named }),
            };
            wishes.set(one.name, { type: one.type, families: one.families, annotations });
            allocator.setService(put(one.name));
          }
          settle();
          const given = [...statuses.values()].flat();
          expect(new Set(given).size).toBe(given.length);
        }
        const restarted = allocatorWith(
          [...pools.values()],
          [...wishes.keys()].map((name) => put(name)),
        );
        for (const name of wishes.keys()) {
          const wanted = restarted.ingress(`ns/${name}`) ?? statuses.get(name) ?? [];
          expect([name, wanted]).toEqual([name, statuses.get(name) ?? []]);
        }
      }),
      { numRuns: 300 },
    );
  });
});
