import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseNetworkConfig } from "@ovenbird/controller";
import {
  adminNetworkPolicies,
  createKubeClient,
  customResourceDefinitions,
  type DomainName,
  domainNames,
  type KubeClient,
  type KubeObject,
  loadKubeConfig,
  reflect,
} from "@ovenbird/kube";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { parse } from "yaml";
import { createDomainNames, type DomainNames } from "../../controller/domains/domain-names.ts";
import { projectAdminNetworkPolicy } from "../../controller/state/admin-network-policy.ts";
import { projectDomainName } from "../../controller/state/domain-name.ts";
import { type ServerUnderTest, startEmbeddedServer } from "../../lab/api/contract/server.ts";
import { createDomainNameWriter, type DomainNameWriter } from "../../node/dns/domain-name-writer.ts";

const definitions = join(import.meta.dirname, "..", "..", "deploy", "crds");
const parsed = parseNetworkConfig({ clusterCidr: "10.244.0.0/16,fd00:10:244::/48" });
if (parsed.kind !== "valid") throw new Error(JSON.stringify(parsed.problems));
const { network } = parsed;
const logger = { debug() {}, info() {}, warn() {} };

/** What nodes learn and what the controller makes of it, with the API between them. */
describe("domain names between nodes and controller", () => {
  let server: ServerUnderTest;
  let client: KubeClient;
  const writers: DomainNameWriter[] = [];
  let controller: DomainNames | undefined;
  let told = new Map<string, string>();

  beforeAll(async () => {
    server = await startEmbeddedServer();
    client = createKubeClient(loadKubeConfig({ path: server.kubeconfig }));
    for (const name of ["domainnames", "adminnetworkpolicies"]) {
      const definition = parse(readFileSync(join(definitions, `${name}.yaml`), "utf8")) as object;
      await client.create(customResourceDefinitions, {}, definition);
    }
    for (const resource of [domainNames, adminNetworkPolicies]) {
      await vi.waitFor(() => client.list(resource), { timeout: 10_000, interval: 50 });
    }
  });
  afterAll(async () => {
    await client.close();
    await server.stop();
  });
  afterEach(async () => {
    await Promise.all(writers.splice(0).map((writer) => writer.close()));
    await controller?.close();
    controller = undefined;
    for (const { metadata } of (await client.list(domainNames)).items) {
      await client.delete(domainNames, { name: metadata?.name ?? "" });
    }
  });

  /** A node, with the writes that it makes. */
  function node(now: () => number = Date.now) {
    let writes = 0;
    const counted: typeof client = {
      ...client,
      patch: (...args) => {
        writes += 1;
        return client.patch(...args);
      },
      create: (...args) => {
        writes += 1;
        return client.create(...args);
      },
    };
    const writer = createDomainNameWriter({ client: counted, logger, now });
    writers.push(writer);
    return {
      writer,
      get writes() {
        return writes;
      },
    };
  }

  function startController(unusedMs = 60_000): void {
    told = new Map();
    controller = createDomainNames({
      ...{ client, network, unusedMs },
      objects: reflect(client, domainNames, { project: projectDomainName }),
      policies: reflect(client, adminNetworkPolicies, { project: projectAdminNetworkPolicy }),
    });
    controller.events.subscribe((event) => {
      if (event.kind === "upsert") told.set(event.key, event.object.addresses.join());
      else if (event.kind === "delete") told.delete(event.key);
    });
  }

  const object = (name: string) => client.get<DomainName & KubeObject>(domainNames, { name });

  it("what several nodes learn at once of one name adds up", async () => {
    startController();
    const nodes = Array.from({ length: 8 }, () => node());
    for (const [index, { writer }] of nodes.entries()) {
      writer.learn("a.example.com", `192.0.2.${index + 1}`, 300);
      writer.learn("a.example.com", `2001:db8::${index + 1}`, 300);
    }
    await Promise.all(nodes.map(({ writer }) => writer.idle()));
    expect(Object.keys((await object("a.example.com")).status?.addresses ?? {})).toHaveLength(16);
    await vi.waitFor(() => expect(told.get("a.example.com")?.split(",")).toHaveLength(16), { timeout: 5_000 });
  });

  it("what is known for long enough is not written again, by no node", async () => {
    let now = Date.now();
    const first = node();
    for (let time = 0; time < 100; time += 1) first.writer.learn("a.example.com", "192.0.2.1", 300);
    await first.writer.idle();
    expect(first.writes).toBe(1);
    // Another has been told of it before it writes anything.
    const second = node(() => now);
    second.writer.learn("a.example.com", "192.0.2.1", 300);
    await second.writer.idle();
    for (let time = 0; time < 100; time += 1) {
      expect(second.writer.learn("a.example.com", "192.0.2.1", 300)).toBe("known");
    }
    await second.writer.idle();
    expect(second.writes).toBe(0);
    // A quarter of the TTL later the hold is shorter than what the answer says.
    now += 70_000;
    expect(second.writer.learn("a.example.com", "192.0.2.1", 300)).toBe("known");
    now += 10_000;
    expect(second.writer.learn("a.example.com", "192.0.2.1", 300)).toBe("learnt");
  });

  it("what one node was told for longer is not shortened by another that was told less at the same moment", async () => {
    const { writer } = node();
    writer.learn("a.example.com", "192.0.2.1", 3_000);
    await writer.idle();
    const long = (await object("a.example.com")).status?.addresses?.["192.0.2.1"] ?? "";
    const short = new Date(Date.now() + 60_000).toISOString();
    await client.patch(
      domainNames,
      { name: "a.example.com" },
      { status: { addresses: { "192.0.2.1": short } } },
      { type: "merge" },
    );
    await vi.waitFor(
      async () => {
        const end = (await object("a.example.com")).status?.addresses?.["192.0.2.1"] ?? "";
        // What the answer said, without the quarter more.
        expect(Date.parse(end)).toBeGreaterThan(Date.parse(long) - 800_000);
      },
      { timeout: 5_000, interval: 50 },
    );
  });

  it("short TTLs are held for a minute, long ones for a day, and what has run out is taken along", async () => {
    let now = Date.now();
    const { writer } = node(() => now);
    const begun = now;
    writer.learn("a.example.com", "192.0.2.1", 0);
    writer.learn("a.example.com", "192.0.2.2", 604_800);
    await writer.idle();
    const addresses = (await object("a.example.com")).status?.addresses ?? {};
    expect(Date.parse(addresses["192.0.2.1"] ?? "") - begun).toBe(60_000);
    expect(Date.parse(addresses["192.0.2.2"] ?? "") - begun).toBe(86_400_000);
    now += 61_000;
    writer.learn("a.example.com", "192.0.2.3", 1);
    await writer.idle();
    const later = (await object("a.example.com")).status?.addresses ?? {};
    expect(Object.keys(later).sort()).toEqual(["192.0.2.2", "192.0.2.3"]);
  });

  it("a name has so many addresses at most, those that run out last", async () => {
    const { writer } = node();
    for (let index = 0; index < 200; index += 1) writer.learn("a.example.com", `192.0.2.${index}`, 600 + index);
    await writer.idle();
    const addresses = Object.keys((await object("a.example.com")).status?.addresses ?? {});
    expect(addresses).toHaveLength(128);
    expect(addresses).toContain("192.0.2.199");
    expect(addresses).not.toContain("192.0.2.10");
  });

  it("too many new names at once are let be", () => {
    const { writer } = node();
    const results = Array.from({ length: 300 }, (_, index) => writer.learn(`n${index}.example.com`, "192.0.2.1", 60));
    expect(results.filter((result) => result === "learnt").length).toBeLessThan(230);
    expect(results.at(-1)).toBe("limited");
  });

  it("a controller that is started anew knows what was there, and removes what no policy gives", async () => {
    const { writer } = node();
    writer.learn("a.example.com", "192.0.2.1", 300);
    writer.learn("_b.example.com", "192.0.2.1", 300);
    await writer.idle();
    startController(500);
    await vi.waitFor(() => expect([...told.keys()].sort()).toEqual(["_b.example.com", "a.example.com"]), 5_000);
    await vi.waitFor(async () => expect((await client.list(domainNames)).items).toEqual([]), {
      timeout: 10_000,
      interval: 100,
    });
    expect(told.size).toBe(0);
    // A node that still believes it to be there writes it anew.
    writer.learn("a.example.com", "192.0.2.2", 300);
    await writer.idle();
    expect((await object("a.example.com")).status?.addresses).toHaveProperty(["192.0.2.2"]);
  });
});
