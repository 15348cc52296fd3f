import { describe, expect, it } from "vitest";
import type { PlanAnswer } from "./answer.ts";
import { ExplainError } from "./explain-error.ts";
import { modelOfObjects, type SmallCluster, type SmallPod } from "./model-of-objects.ts";
import { planOf } from "./plan.ts";
import { createExplainer } from "./why.ts";

const pod = (host: string, app: string, more: Partial<SmallPod> = {}): SmallPod => ({
  addresses: [`10.244.0.${host}`, `fd00:10:244::${host}`],
  labels: { app, "pod-template-hash": host },
  node: "node1",
  ...more,
});

const cluster: SmallCluster = {
  namespaces: { shop: {}, bank: { team: "bank" } },
  pods: {
    "shop/web-1": pod("11", "web"),
    "shop/web-2": pod("12", "web"),
    "shop/front": pod("13", "front"),
    "bank/teller": pod("14", "teller"),
  },
  nodes: { node1: { own: ["172.18.0.11"], management: ["10.244.0.2"] } },
};

const networkPolicy = (name: string, spec: object, namespace: string | undefined = "shop") => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { namespace, name },
  spec,
});

const web = { podSelector: { matchLabels: { app: "web" } } };
const fromFront = networkPolicy("web", {
  ...web,
  ingress: [{ from: [{ podSelector: { matchLabels: { app: "front" } } }], ports: [{ port: 80 }] }],
});

const plan = (objects: readonly object[], policies: readonly object[] = [], isDeletion = false): Promise<PlanAnswer> =>
  planOf(modelOfObjects({ ...cluster, policies: policies as NonNullable<SmallCluster["policies"]> }), {
    objects,
    delete: isDeletion,
  });

const lines = ({ changes }: PlanAnswer): string[] =>
  changes.map(({ from, to, ports, before, after, family }) => {
    const shown = ports.map(
      ({ protocol, first, last }) => `${protocol}${first === undefined ? "" : `/${first}-${last}`}`,
    );
    return `${from.text} -> ${to.text} ${shown.join(",") || "all"} ${before}>${after}${family === undefined ? "" : ` IPv${family}`}`;
  });

describe("plan", () => {
  it("notes what may be meant: an except outside of its block, a namespace that isn't there", async () => {
    const block = { cidr: "10.0.0.0/8", except: ["192.168.0.0/16"] };
    const { notes } = await plan([
      networkPolicy("new", { ...web, ingress: [{ from: [{ ipBlock: block }] }] }),
      networkPolicy("new", web, "shopp"),
    ]);
    expect(notes).toEqual([
      "NetworkPolicy shop/new has a problem: ingress[0]: except 192.168.0.0/16 is outside of its block and takes nothing away",
      "there is no namespace shopp",
    ]);
  });

  it("notes a named port beside a peer that has none, and plans the rest", async () => {
    const answer = await plan([
      networkPolicy("out", {
        ...web,
        policyTypes: ["Egress"],
        egress: [{ to: [{ ipBlock: { cidr: "192.0.2.0/24" } }], ports: [{ port: "https" }, { port: 443 }] }],
      }),
    ]);
    expect(answer.notes).toEqual([
      'NetworkPolicy shop/out has a problem: egress[0]: networks name no port "https"; together they match nothing',
    ]);
    expect(answer.pairs).toBeGreaterThan(0);
  });

  it("groups pods by their labels, and gives the ports that change", async () => {
    const answer = await plan([fromFront]);
    expect(answer.policies).toEqual([{ kind: "NetworkPolicy", name: "shop/web", change: "added" }]);
    expect(lines(answer)).toEqual([
      "all pods of namespace bank; shop: app=web; all nodes (but a pod's own); IPv4 addresses outside the cluster; IPv6 addresses outside the cluster -> shop: app=web all allowed>denied",
      "shop: app=front -> shop: app=web tcp/0-79,tcp/81-65535,udp,sctp,icmp allowed>denied",
    ]);
    expect(answer.changes[1]).toMatchObject({
      from: { pods: 1 },
      to: { pods: 2, examples: ["shop/web-1", "shop/web-2"] },
    });
    expect(answer.pairs).toBe(2 + 2 + 2);
  });

  it("tells of deletion what it would open", async () => {
    const answer = await plan([fromFront], [fromFront], true);
    expect(answer.policies[0]?.change).toBe("deleted");
    expect(answer.changes.every(({ before, after }) => before === "denied" && after === "allowed")).toBe(true);
    expect(answer.pairs).toBe(6);
  });

  it("compares with the policy that is there", async () => {
    const wider = networkPolicy("web", {
      ...web,
      ingress: [{ from: [{ podSelector: { matchLabels: { app: "front" } } }], ports: [{ port: 80 }, { port: 443 }] }],
    });
    const answer = await plan([wider], [fromFront]);
    expect(answer.policies[0]?.change).toBe("changed");
    expect(lines(answer)).toEqual(["shop: app=front -> shop: app=web tcp/443-443 denied>allowed"]);
    expect(await plan([fromFront], [fromFront])).toMatchObject({
      policies: [{ change: "unchanged" }],
      changes: [],
      pairs: 0,
    });
    expect(await plan([fromFront], [], true)).toMatchObject({ policies: [{ change: "absent" }], changes: [] });
  });

  it("needs both ends: what the other end denies doesn't change", async () => {
    const mute = networkPolicy("mute", { podSelector: {}, policyTypes: ["Egress"] }, "bank");
    const answer = await plan([fromFront], [mute]);
    expect(answer.changes.some(({ from }) => from.text.includes("bank"))).toBe(false);
  });

  it("tells families apart where they differ", async () => {
    const ipv4 = networkPolicy("block", { ...web, ingress: [{ from: [{ ipBlock: { cidr: "10.244.0.14/32" } }] }] });
    const answer = lines(await plan([ipv4]));
    expect(answer).toContain("all pods of namespace bank -> shop: app=web all allowed>denied IPv6");
    expect(answer.some((line) => line.startsWith("all pods of namespace shop; ") && !line.includes("IPv6,"))).toBe(
      true,
    );
  });

  it("knows networks outside and other tiers", async () => {
    const policy = {
      apiVersion: "policy.networking.k8s.io/v1alpha2",
      kind: "ClusterNetworkPolicy",
      metadata: { name: "out" },
      spec: {
        tier: "Admin",
        priority: 1,
        subject: { namespaces: { matchLabels: { team: "bank" } } },
        egress: [{ action: "Deny", to: [{ networks: ["203.0.113.0/24"] }] }],
      },
    };
    expect(lines(await plan([policy]))).toEqual(["all pods of namespace bank -> 203.0.113.0/24 all allowed>denied"]);
  });

  it("takes lists, and the namespace default where none is given", async () => {
    const list = { apiVersion: "v1", kind: "List", items: [fromFront, networkPolicy("x", { podSelector: {} }, "")] };
    expect((await plan([list])).policies.map(({ name }) => name)).toEqual(["shop/web", "default/x"]);
  });

  it("refuses what is no policy or has problems, and names each", async () => {
    const broken = networkPolicy("broken", { ...web, ingress: [{ ports: [{ port: 90, endPort: 80 }] }] });
    const other = { apiVersion: "v1", kind: "Pod", metadata: { name: "x" } };
    const refused = await plan([broken, other]).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(ExplainError);
    expect((refused as ExplainError).code).toBe("INVALID_OBJECT");
    expect((refused as ExplainError).message).toMatch(/NetworkPolicy shop\/broken: POLICY_PORT_UNREADABLE.*\nPod x/s);
  });

  it("refuses fields that nobody knows, but takes them away by name", async () => {
    const misspelt = networkPolicy("web", { podSelecter: {} });
    await expect(plan([misspelt])).rejects.toThrow(
      "NetworkPolicy shop/web: spec.podSelecter is no field: is podSelector meant?",
    );
    expect((await plan([misspelt], [fromFront], true)).policies[0]?.change).toBe("deleted");
  });

  it("says the same as why before and after, for every pair of pods", async () => {
    const policies = [fromFront, networkPolicy("mute", { podSelector: {}, policyTypes: ["Egress"] }, "bank")];
    const planned = networkPolicy("all", {
      podSelector: {},
      ingress: [{ ports: [{ port: 1000, endPort: 2000 }] }],
      egress: [{}],
    });
    const answer = await plan([planned], policies);
    const models = [policies, [...policies, planned]].map((list) =>
      createExplainer(modelOfObjects({ ...cluster, policies: list })),
    );
    const names = Object.keys(cluster.pods ?? {});
    let pairs = 0;
    for (const from of names) {
      for (const to of names) {
        const differs = ["80", "999", "1000", "2001"].some((port) => {
          const [before, after] = models.map((model) => model.why({ from, to, port }).verdict);
          return before !== after;
        });
        if (differs) pairs++;
      }
    }
    expect(answer.pairs).toBe(pairs);
  });

  /** 20 pods of four workloads and ten policies in each namespace. */
  function crowd(namespaces: number) {
    const names = Array.from({ length: namespaces }, (_, index) => `ns-${index}`);
    const pods = Object.fromEntries(
      names.flatMap((namespace, n) =>
        Array.from({ length: 20 }, (_, i): [string, SmallPod] => [
          `${namespace}/pod-${i}`,
          { addresses: [`10.${n >> 8}.${n & 255}.${i + 1}`], labels: { app: `app-${i % 4}` }, node: "node1" },
        ]),
      ),
    );
    const policies = names.flatMap((namespace) =>
      Array.from({ length: 10 }, (_, i) =>
        networkPolicy(
          `p-${i}`,
          {
            podSelector: { matchLabels: { app: `app-${i % 4}` } },
            ingress: [
              { from: [{ podSelector: { matchLabels: { app: `app-${(i + 1) % 4}` } } }], ports: [{ port: 80 + i }] },
            ],
          },
          namespace,
        ),
      ),
    );
    return modelOfObjects({ namespaces: Object.fromEntries(names.map((name) => [name, {}])), pods, policies });
  }

  it("answers for 10,000 pods within seconds", async () => {
    const began = performance.now();
    const objects = [networkPolicy("new", { podSelector: {}, policyTypes: ["Egress"] }, "ns-7")];
    const { truncated, changes } = await planOf(crowd(500), { objects, delete: false });
    expect(truncated).toBe(false);
    expect(changes[0]).toMatchObject({ from: { text: "ns-7: app=app-0", pods: 5 }, after: "denied" });
    expect(performance.now() - began).toBeLessThan(10_000);
  });

  it("lets others have their turns while it tells everybody apart, and gives up when its time is over", async () => {
    const model = crowd(500);
    const from = Array.from({ length: 4_000 }, (_, at) => ({
      ipBlock: { cidr: `10.${244 + (at >> 10)}.${(at >> 2) % 256}.${(at % 4) * 64 + 1}/32` },
    }));
    const objects = [networkPolicy("new", { podSelector: {}, ingress: [{ from }] }, "ns-7")];
    let longest = 0;
    let before = performance.now();
    const timer = setInterval(() => {
      longest = Math.max(longest, performance.now() - before);
      before = performance.now();
    }, 1);
    const { truncated } = await planOf(model, { objects, delete: false }, 1_000);
    clearInterval(timer);
    expect(truncated).toBe(true);
    expect(longest).toBeLessThan(500);
    await expect(planOf(model, { objects, delete: false }, 1)).rejects.toMatchObject({ code: "TOO_MUCH" });
  });

  it("counts all pairs that a policy over everybody changes, and lists what has room", async () => {
    const deny = {
      apiVersion: "policy.networking.k8s.io/v1alpha1",
      kind: "AdminNetworkPolicy",
      metadata: { name: "deny" },
      spec: { priority: 5, subject: { namespaces: {} }, ingress: [{ action: "Allow", from: [{ namespaces: {} }] }] },
    };
    const { pairs, changes, notes } = await planOf(crowd(150), { objects: [deny], delete: false });
    expect(pairs).toBe(2_999 * 3_000);
    expect(changes).toHaveLength(500);
    expect(notes.join()).toContain("more changes are not listed");
  });
});
