import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type PolicyKind, type PolicyRecord, policyKinds } from "@ovenbird/controller";
import {
  adminNetworkPolicies,
  apiVersionOf,
  baselineAdminNetworkPolicies,
  clusterNetworkPolicies,
  createEventRecorder,
  createKubeClient,
  customResourceDefinitions,
  events,
  isKubeError,
  type KubeClient,
  type KubeObject,
  loadKubeConfig,
  networkPolicies,
  type ReflectorEvent,
  type Resource,
  reflect,
} from "@ovenbird/kube";
import { share } from "rxjs";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { parse } from "yaml";
import { policyEvents } from "../../controller/policy-events.ts";
import { createPolicyStatus, type PolicyStatus } from "../../controller/status/policy-status.ts";
import { createReporter } from "../../controller/status/reporter.ts";
import { type ServerUnderTest, startEmbeddedServer } from "../../lab/api/contract/server.ts";

const definitions = join(import.meta.dirname, "..", "..", "deploy", "crds");
const everybody = { namespaces: {} };

interface Policy extends KubeObject {
  readonly status?: { readonly conditions?: readonly Record<string, unknown>[] };
}

describe("policies in a cluster", () => {
  let server: ServerUnderTest;
  let client: KubeClient;
  let running: PolicyStatus | undefined;
  let stopFollowing: () => void = () => {};
  let seen: ReflectorEvent<PolicyRecord>[] = [];
  let writes = 0;

  beforeAll(async () => {
    server = await startEmbeddedServer();
    client = createKubeClient(loadKubeConfig({ path: server.kubeconfig }));
  });
  afterAll(async () => {
    await stop();
    await client.close();
    await server.stop();
  });

  /** As the controller does for a term of leadership. */
  function start(): void {
    writes = 0;
    seen = [];
    const recorder = createEventRecorder(client, { component: "test" });
    const reporter = createReporter({
      recorder,
      lease: { namespace: "default", name: "test" },
      uidOf: () => undefined,
    });
    const sources = Object.values(policyKinds).map(({ resource, project }) =>
      reflect(client, resource, { project, mayBeAbsent: true, backoff: { minMs: 50, maxMs: 200 } }),
    );
    const policies = policyEvents(sources).pipe(share());
    running = createPolicyStatus({
      client: {
        patch: (...args) => {
          writes++;
          return client.patch(...(args as Parameters<KubeClient["patch"]>)) as never;
        },
      },
      policies,
      onProblem: (problem) => reporter.objectProblem(problem),
    });
    const subscription = policies.subscribe((event) => seen.push(event));
    stopFollowing = () => subscription.unsubscribe();
  }
  async function stop(): Promise<void> {
    stopFollowing();
    await running?.close();
    running = undefined;
  }

  const eventually = (check: () => unknown) =>
    vi.waitFor(async () => void (await check()), { timeout: 15_000, interval: 50 });
  const isSynced = () => eventually(() => expect(seen.some(({ kind }) => kind === "synced")).toBe(true));

  async function create(resource: Resource, name: string, spec: object): Promise<void> {
    const { kind, namespaced } = resource;
    const scope = namespaced ? { namespace: "default" } : {};
    await client.create(resource, scope, { apiVersion: apiVersionOf(resource), kind, metadata: { name }, spec });
  }
  const refused = (resource: Resource, spec: object) =>
    create(resource, "refused", spec).then(
      () => "taken",
      (error: unknown) => (isKubeError(error, "INVALID", "BAD_REQUEST") ? "refused" : String(error)),
    );
  const conditionOf = async (resource: Resource, name: string) =>
    (await client.get<Policy>(resource, { name })).status?.conditions?.map(
      ({ type, status, reason, observedGeneration }) =>
        `${String(type)}=${String(status)} ${String(reason)} ${String(observedGeneration)}`,
    );
  const reasonsOf = async (kind: PolicyKind, name: string) =>
    (await client.list<KubeObject & { involvedObject: { kind: string; name: string }; reason: string }>(events)).items
      .filter(({ involvedObject }) => involvedObject.kind === kind && involvedObject.name === name)
      .map(({ reason }) => reason);

  it("are followed where only NetworkPolicies are defined, and the others once they are", async () => {
    start();
    await isSynced();
    await create(networkPolicies, "broken", {
      podSelector: {},
      egress: [{ to: [{ ipBlock: { cidr: "10.0.0.0/8" } }], ports: [{ port: "http" }] }],
    });
    await eventually(async () =>
      expect(await reasonsOf("NetworkPolicy", "broken")).toEqual(["PolicyNamedPortWithoutPod"]),
    );
    for (const file of readdirSync(definitions).filter((name) => name.endsWith("networkpolicies.yaml"))) {
      await client.create(
        customResourceDefinitions,
        {},
        parse(readFileSync(join(definitions, file), "utf8")) as object,
      );
    }
    await vi.waitFor(() => client.list(clusterNetworkPolicies), { timeout: 10_000, interval: 50 });
    await create(adminNetworkPolicies, "early", { priority: 1, subject: everybody });
    await eventually(async () =>
      expect(await conditionOf(adminNetworkPolicies, "early")).toEqual(["Accepted=True Accepted 1"]),
    );
  });

  it("are read in full, and say so in their condition", async () => {
    const bySelector = { namespaceSelector: {}, podSelector: { matchExpressions: [{ key: "a", operator: "Exists" }] } };
    const adminPeers = [
      everybody,
      { pods: bySelector },
      { nodes: { matchLabels: { a: "b" } } },
      { networks: ["10.0.0.0/8"] },
    ];
    const portsByName = [{ namedPort: "http" }];
    const ports = [{ portNumber: { port: 80 } }, { portRange: { protocol: "UDP", start: 1, end: 9 } }];
    await create(adminNetworkPolicies, "full", {
      priority: 1000,
      subject: { pods: bySelector },
      ingress: [{ name: "in", action: "Pass", from: [everybody, { pods: bySelector }], ports: portsByName }],
      egress: [{ action: "Allow", to: [...adminPeers, { domainNames: ["*.example.com", "example.org."] }], ports }],
    });
    await create(baselineAdminNetworkPolicies, "default", {
      subject: everybody,
      ingress: [{ action: "Deny", from: [everybody] }],
      egress: [{ action: "Allow", to: adminPeers, ports }],
    });
    const number = { destinationPort: { number: 80 } };
    const range = { destinationPort: { range: { start: 1, end: 65_535 } } };
    await create(clusterNetworkPolicies, "full", {
      ...{ tier: "Baseline", priority: 0, subject: { pods: { podSelector: {} } } },
      ingress: [
        { action: "Accept", from: [everybody], protocols: [{ tcp: number }, { destinationNamedPort: "http" }] },
      ],
      egress: [{ action: "Pass", to: adminPeers, protocols: [{ udp: range }, { sctp: number }] }],
    });
    for (const [resource, name] of [
      [adminNetworkPolicies, "full"],
      [baselineAdminNetworkPolicies, "default"],
      [clusterNetworkPolicies, "full"],
    ] as const) {
      await eventually(async () => expect(await conditionOf(resource, name)).toEqual(["Accepted=True Accepted 1"]));
    }
    const record = seen.findLast((event) => event.kind === "upsert" && event.key === "AdminNetworkPolicy/full");
    expect(record).toMatchObject({ object: { priority: 1000, rules: [{ action: "pass" }, { action: "allow" }] } });
  });

  it("that the definitions rule out are refused", async () => {
    const cluster = (change: object) =>
      refused(clusterNetworkPolicies, { tier: "Admin", priority: 1, subject: everybody, ...change });
    const admin = (change: object) => refused(adminNetworkPolicies, { priority: 1, subject: everybody, ...change });
    const accept = (rule: object) => ({ ingress: [{ action: "Accept", from: [everybody], ...rule }] });
    const many = (length: number) => Array.from({ length }, () => everybody);
    expect(
      await Promise.all([
        cluster({ tier: "NetworkPolicy" }),
        cluster({ priority: 1001 }),
        cluster({ subject: {} }),
        cluster({ subject: { ...everybody, pods: { podSelector: {} } } }),
        cluster(accept({ from: [] })),
        cluster(accept({ from: many(26) })),
        cluster(accept({ from: [{ ...everybody, pods: { podSelector: {} } }] })),
        cluster(accept({ action: "Allow" })),
        cluster(accept({ protocols: [] })),
        cluster(accept({ protocols: [{ tcp: {} }] })),
        admin({ priority: -1 }),
        admin(accept({})),
        admin({ egress: [{ action: "Allow", to: [{ domainNames: ["*"] }] }] }),
        refused(baselineAdminNetworkPolicies, {
          subject: everybody,
          ingress: [{ action: "Pass", from: [everybody] }],
        }),
      ]),
    ).toEqual(Array.from({ length: 14 }, () => "refused"));
  });

  it("that can't be carried out have an Event and a condition, until they are corrected", async () => {
    const rule = (network: string) => ({ egress: [{ action: "Deny", to: [{ networks: [network] }] }] });
    await create(clusterNetworkPolicies, "wrong", {
      ...{ tier: "Admin", priority: 1, subject: everybody },
      ...rule("10.0.0.0/40"),
    });
    await eventually(async () =>
      expect(await conditionOf(clusterNetworkPolicies, "wrong")).toEqual(["Accepted=False PolicyPeerUnreadable 1"]),
    );
    await eventually(async () =>
      expect(await reasonsOf("ClusterNetworkPolicy", "wrong")).toEqual(["PolicyPeerUnreadable"]),
    );
    await client.patch(clusterNetworkPolicies, { name: "wrong" }, { spec: rule("10.0.0.0/8") }, { type: "merge" });
    await eventually(async () =>
      expect(await conditionOf(clusterNetworkPolicies, "wrong")).toEqual(["Accepted=True Accepted 2"]),
    );
  });

  it("are not written to by a controller that starts anew", async () => {
    await running?.idle();
    await stop();
    start();
    await isSynced();
    await running?.idle();
    expect(seen.filter(({ kind }) => kind === "upsert").length).toBeGreaterThanOrEqual(5);
    expect(writes).toBe(0);
  });
});
