import { KubeError, type ReflectorEvent } from "@ovenbird/kube";
import { Subject } from "rxjs";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { parseNetworkConfig } from "../ipam/network-config.ts";
import { type DomainNameRecord, projectDomainName } from "../state/domain-name.ts";
import type { PolicyRecord } from "../state/policy.ts";
import { createDomainNames, type DomainNames, maxNamesPerWildcard } from "./domain-names.ts";

const parsed = parseNetworkConfig({
  ...{ clusterCidr: ["10.244.0.0/16", "fd00:10:244::/48"], nodePrefix: [24, 64] },
  ...{ joinCidr: ["100.64.0.0/16", "fd98::/64"], serviceCidr: ["10.96.0.0/16"], mtuBytes: 1400 },
});
if (parsed.kind !== "valid") throw new Error("the network is not valid");
const { network } = parsed;

const start = Date.parse("2026-01-01T00:00:00Z");
let domains: DomainNames;
let objects: Subject<ReflectorEvent<DomainNameRecord>>;
let policies: Subject<ReflectorEvent<PolicyRecord>>;
/** What the graph knows. */
let told: Map<string, string>;
let deleted: string[];
let refuse: KubeError | undefined;
let synced = 0;
let problems: string[];

beforeEach(() => {
  vi.useFakeTimers({ now: start });
  objects = new Subject();
  policies = new Subject();
  told = new Map();
  deleted = [];
  refuse = undefined;
  problems = [];
  domains = createDomainNames({
    ...{ network, objects, policies },
    onProblem: ({ object, code }) => problems.push(`${object.key} ${code}`),
    client: {
      async delete<T>(_resource: unknown, { name }: { readonly name: string }) {
        deleted.push(name);
        if (refuse !== undefined) throw refuse;
        objects.next({ kind: "delete", key: name, object: projectDomainName({ metadata: { name } }) });
        return {} as T;
      },
    },
  });
  domains.events.subscribe((event) => {
    if (event.kind === "synced") synced += 1;
    else if (event.kind === "delete") told.delete(event.key);
    else told.set(event.key, event.object.addresses.join());
  });
});
afterEach(async () => {
  await domains.close();
  vi.useRealTimers();
});

/** @param addresses with seconds from the start on */
function put(domain: string, addresses: Readonly<Record<string, number>>, name = domain): void {
  const status = Object.fromEntries(
    Object.entries(addresses).map(([address, seconds]) => [address, new Date(start + seconds * 1_000).toISOString()]),
  );
  const object = projectDomainName({
    ...{ metadata: { name, uid: name, resourceVersion: "1" }, spec: { name: domain }, status: { addresses: status } },
  });
  objects.next({ kind: "upsert", key: name, object });
}

function give(policy: string, ...names: readonly string[]): void {
  const record: PolicyRecord = {
    ...{
      kind: "AdminNetworkPolicy",
      key: policy,
      uid: policy,
      generation: 1,
      createdAt: 0,
      tier: "Admin",
      priority: 1,
    },
    ...{ subject: undefined, isolates: [], problems: [], conditions: undefined },
    rules: [
      {
        ...{ direction: "egress", index: 0, name: undefined, action: "allow", ports: "any" },
        peers: [{ kind: "domains", names }],
      },
    ],
  };
  policies.next({ kind: names.length === 0 ? "delete" : "upsert", key: policy, object: record });
}

describe("domain names", () => {
  it("lead where objects say, each address until it runs out, within a second", () => {
    put("a.example.com", { "192.0.2.1": 60, "2001:DB8::1": 90, "192.0.2.9": -1 });
    expect(told).toEqual(new Map([["a.example.com", "192.0.2.1,2001:db8::1"]]));
    expect(domains.size).toBe(1);
    vi.advanceTimersByTime(59_000);
    expect(told.get("a.example.com")).toBe("192.0.2.1,2001:db8::1");
    vi.advanceTimersByTime(2_000);
    expect(told.get("a.example.com")).toBe("2001:db8::1");
    put("a.example.com", { "192.0.2.1": 200, "2001:db8::1": 90 });
    expect(told.get("a.example.com")).toBe("192.0.2.1,2001:db8::1");
    vi.advanceTimersByTime(200_000);
    expect(told.size).toBe(0);
    expect(domains.size).toBe(0);
  });

  it("do not lead into the cluster, to the node itself or to nowhere", () => {
    put("a.example.com", {
      ...{ "10.244.1.5": 60, "10.96.0.1": 60, "100.64.0.2": 60, "127.0.0.1": 60, "169.254.169.254": 60 },
      ...{ "0.0.0.0": 60, "224.0.0.1": 60, "::1": 60, "fe80::1": 60, "fd00:10:244::5": 60, "::ffff:10.244.1.5": 60 },
      ...{ nonsense: 60, "192.0.2.1": 60, "10.1.2.3": 60 },
    });
    expect(told.get("a.example.com")).toBe("10.1.2.3,192.0.2.1");
  });

  it("have the addresses that run out last, where there are too many", () => {
    const many = Array.from({ length: 300 }, (_, index) => [`192.0.2.${index}`.replace(/\.2\d\d$/, ".2"), 60] as const);
    put(
      "a.example.com",
      Object.fromEntries([...many, ...many.map(([a], i) => [a.replace("192.0", "198.51"), 90 + i])]),
    );
    expect(told.get("a.example.com")?.split(",")).toHaveLength(128);
    expect(told.get("a.example.com")).not.toContain("192.0.2.");
  });

  it("are what their objects are called; others are nobody's", () => {
    put("bank.example.com", { "192.0.2.1": 60 }, "a.example.com");
    put("*.example.com", { "192.0.2.1": 60 }, "x.example.com");
    put("_a.example.com", { "192.0.2.1": 60 }, "name-c55bfbd7b0ae3a0ab8b9cd3bbd4de9a8");
    expect(told.size).toBe(0);
  });

  it("go with their object, and are complete when the objects are", () => {
    put("a.example.com", { "192.0.2.1": 60 });
    const object = projectDomainName({ metadata: { name: "a.example.com" } });
    objects.next({ kind: "delete", key: "a.example.com", object });
    objects.next({ kind: "synced" });
    expect(told.size).toBe(0);
    expect(synced).toBe(1);
  });

  it("are removed a while after no policy gives them or a wildcard over them, and not before policies are known", async () => {
    put("a.example.com", { "192.0.2.1": 3_600 });
    put("b.example.com", { "192.0.2.1": 3_600 });
    put("c.example.org", { "192.0.2.1": 3_600 });
    await vi.advanceTimersByTimeAsync(120_000);
    expect(deleted).toEqual([]);
    give("one", "a.example.com", "*.example.org");
    policies.next({ kind: "synced" });
    await vi.advanceTimersByTimeAsync(30_000);
    expect(deleted).toEqual([]);
    await vi.advanceTimersByTimeAsync(35_000);
    expect(deleted).toEqual(["b.example.com"]);
    give("one");
    await vi.advanceTimersByTimeAsync(30_000);
    give("two", "a.example.com");
    await vi.advanceTimersByTimeAsync(35_000);
    expect(deleted).toEqual(["b.example.com", "c.example.org"]);
  });

  it("are removed a while after their last address has run out, and let alone when that is refused", async () => {
    give("one", "a.example.com");
    policies.next({ kind: "synced" });
    put("a.example.com", { "192.0.2.1": 10 });
    refuse = new KubeError("CONFLICT", "it was written meanwhile");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(deleted).toEqual([]);
    await vi.advanceTimersByTimeAsync(15_000);
    expect(deleted).toEqual(["a.example.com"]);
    put("a.example.com", { "192.0.2.1": 400 });
    expect(told.get("a.example.com")).toBe("192.0.2.1");
    await vi.advanceTimersByTimeAsync(100_000);
    expect(deleted).toEqual(["a.example.com"]);
  });

  it("of one wildcard are bounded: those that run out first go", async () => {
    give("one", "*.example.com", "exact.example.com");
    policies.next({ kind: "synced" });
    put("exact.example.com", { "192.0.2.1": 50 });
    for (let index = 0; index < maxNamesPerWildcard + 3; index += 1) {
      put(`n${index}.example.com`, { "192.0.2.1": 600 + index });
    }
    await vi.advanceTimersByTimeAsync(3_000);
    expect(deleted.sort()).toEqual(["n0.example.com", "n1.example.com", "n2.example.com"]);
  });

  it("that nobody can write are said of each policy that gives some, once, until the definition comes", () => {
    give("one", "a.example.com");
    objects.next({ kind: "synced" });
    domains.lackDefinition();
    domains.lackDefinition();
    give("two", "a.example.com");
    expect(problems).toEqual(["one POLICY_DOMAIN_NAMES_UNDEFINED", "two POLICY_DOMAIN_NAMES_UNDEFINED"]);
    objects.next({ kind: "synced" });
    give("three", "a.example.com");
    expect(problems).toHaveLength(2);
  });
});
