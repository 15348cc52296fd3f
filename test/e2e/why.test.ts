import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exitCodes } from "../../cli/index.ts";
import type { AclAnswer, PlanAnswer, WhyAnswer } from "../../controller/index.ts";
import { ovenbirdCommand, ovenbirdEnvironment } from "../../lab/commands/ovenbird.ts";
import { type Lab, startLab } from "../../lab/index.ts";
import { northboundOf } from "./network.ts";
import { createSettling, type Settling } from "./policies/settle.ts";

/** The command `ovenbird` against a lab: it says what packets do, what ovn-trace says, and what is logged. */

let lab: Lab;
let settling: Settling;
let turn = 0;

const longName = "a-policy-whose-name-is-too-long-for-the-name-of-an-acl-in-the-log";

const clients = {
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { namespace: "default", name: longName },
  spec: {
    podSelector: { matchLabels: { app: "demo" } },
    policyTypes: ["Ingress"],
    ingress: [
      {
        from: [{ podSelector: { matchLabels: { role: "client" } } }],
        ports: [{ protocol: "TCP", port: 8080 }],
      },
    ],
  },
};

const admin = {
  apiVersion: "policy.networking.k8s.io/v1alpha1",
  kind: "AdminNetworkPolicy",
  metadata: { name: "no-udp" },
  spec: {
    priority: 7,
    subject: { pods: { namespaceSelector: {}, podSelector: { matchLabels: { role: "client" } } } },
    egress: [
      { name: "dns", action: "Pass", to: [{ namespaces: {} }], ports: [{ portNumber: { protocol: "UDP", port: 53 } }] },
      {
        name: "rest",
        action: "Deny",
        to: [{ namespaces: {} }],
        ports: [{ portRange: { protocol: "UDP", start: 1, end: 9999 } }],
      },
    ],
  },
};

beforeAll(async () => {
  lab = await startLab({ name: "why", nodes: 2 });
  settling = await createSettling(northboundOf(lab), "play");
  await lab.kubectl(["create", "namespace", "play"]);
  await lab.kubectl(["label", "pod", "demo-2", "role=client"]);
  await lab.kubectl(["annotate", "namespace", "default", "ovenbird.io/log-policy=all"]);
});

afterAll(async () => {
  await settling?.close();
  await lab?.down();
});

/** @returns what the command prints, and its exit status */
async function ovenbird(...args: readonly string[]): Promise<{ readonly out: string; readonly status: number }> {
  const [program = "", ...rest] = ovenbirdCommand(lab.layout, args);
  const child = spawn(program, rest, { env: { ...process.env, ...ovenbirdEnvironment(lab.layout) } });
  const [out, error, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
  return { out: `${out}${error}`, status: Number(status) };
}

async function apply(...objects: readonly object[]): Promise<void> {
  turn += 1;
  const items = [...objects, settling.marker(turn)];
  await lab.kubectl(["apply", "-f", "-"], { input: JSON.stringify({ apiVersion: "v1", kind: "List", items }) });
  await settling.settled(turn);
}

type Traced = WhyAnswer & { readonly traces: readonly { readonly model: string; readonly trace?: string }[] };

async function why(from: string, to: string, ...more: readonly string[]): Promise<Traced> {
  const { out, status } = await ovenbird("why", from, to, "--trace", "--json", ...more);
  expect(status, out).toBe(0);
  return JSON.parse(out) as Traced;
}

const pods = ["default/demo-1", "default/demo-2", "default/demo-3"];

/** Every pair of pods by TCP and UDP: what is answered is what ovn-trace says and what packets do. */
async function agrees(): Promise<number> {
  const asked = pods.flatMap((from) =>
    pods
      .filter((to) => to !== from)
      .flatMap((to) => (["tcp", "udp"] as const).map((protocol) => ({ from, to, port: 8080, protocol }))),
  );
  const outcomes = await lab.probe(asked);
  for (const [position, { from, to, port, protocol }] of asked.entries()) {
    const answer = await why(from, to, "--port", String(port), "--protocol", protocol);
    const sent = outcomes[position]?.verdict === "connected" ? "allowed" : "denied";
    expect(answer.verdict, `${from} ${to} ${protocol}: ${JSON.stringify(outcomes[position])}`).toBe(sent);
    expect(answer.traces.map(({ model, trace }) => trace === model)).toEqual([true, true]);
  }
  return outcomes.filter(({ verdict }) => verdict === "connected").length;
}

describe("ovenbird", () => {
  it("plans what then happens", async () => {
    const file = join(lab.folder, "policies.json");
    await writeFile(file, JSON.stringify({ apiVersion: "v1", kind: "List", items: [clients, admin] }));
    const { out } = await ovenbird("plan", "-f", file, "--json");
    const plan = JSON.parse(out) as PlanAnswer;
    expect(plan.policies.map(({ change }) => change)).toEqual(["added", "added"]);
    // Nobody reaches demo-1 and demo-3 and demo-2 any more, but demo-2 both others at one port.
    expect(plan.pairs).toBe(6);
    expect(await agrees()).toBe(12);
    await apply(clients, admin);
    expect(await agrees()).toBe(2);
    const after = JSON.parse((await ovenbird("plan", "-f", file, "--json")).out) as PlanAnswer;
    expect(after).toMatchObject({ changes: [], pairs: 0 });
    expect((await ovenbird("plan", "-f", file, "--delete")).out).toContain("6 pairs of pods change");
  });

  it("names what decides", async () => {
    const denied = await why("default/demo-2", "default/demo-1", "--port", "8080", "--protocol", "udp");
    expect(denied.paths[0]?.egress).toMatchObject({
      verdict: "denied",
      rules: [{ policy: { kind: "AdminNetworkPolicy", name: "no-udp", priority: 7 }, rule: 1, name: "rest" }],
    });
    const passed = await why("default/demo-2", "default/demo-1", "--port", "53", "--protocol", "udp");
    expect(passed.paths[0]?.egress).toMatchObject({ verdict: "allowed", passes: [{ name: "dns" }] });
    expect(passed.paths[0]?.ingress).toMatchObject({ verdict: "denied", by: "isolation" });
  });

  it("judges services, nodes and addresses as ovn-trace does", async () => {
    const service = await why("default/demo-2", "service:default/demo");
    expect(service.verdict).toBe("partly");
    expect(service.traces.filter(({ model, trace }) => trace !== undefined && trace !== model)).toEqual([]);
    expect((await why("node:node1", "default/demo-1", "--port", "80")).verdict).toBe("allowed");
    expect((await why("node:node2", "default/demo-1", "--port", "80")).verdict).toBe("denied");
    expect((await why("default/demo-2", "203.0.113.10", "--port", "53", "--protocol", "udp")).verdict).toBe("allowed");
    expect((await why("default/demo-1", "node:node2", "--port", "53")).verdict).toBe("allowed");
    for (const to of ["default/demo-1", "default/demo-3"]) {
      const { traces } = await why("default/demo-2", to);
      expect(traces.length).toBeGreaterThan(8);
      expect(traces.filter(({ model, trace }) => trace !== model)).toEqual([]);
    }
  });

  it("says when the database says something else than the model", async () => {
    const asked = ["why", "default/demo-3", "default/demo-1", "--port", "8080", "--trace"];
    // Somebody's own row, above all of ours.
    const group = "isolated.ingress";
    const row = [group, "to-lport", "32766", `outport == @${group} && ip`];
    await lab.exec("central", ["ovn-nbctl", "--wait=sb", "acl-add", ...row, "allow"]);
    const { out, status } = await ovenbird(...asked);
    expect(status).toBe(exitCodes.differs);
    expect(out).toMatch(/DIFFERENT: the model says denied, ovn-trace allowed/);
    await lab.exec("central", ["ovn-nbctl", "--wait=sb", "acl-del", ...row]);
    expect((await ovenbird(...asked)).status).toBe(0);
  });

  it("explains the rows of the database", async () => {
    const rows = await lab.exec("central", [
      "ovn-nbctl",
      "--format=json",
      "--columns=_uuid,external_ids",
      "list",
      "ACL",
    ]);
    const { data } = JSON.parse(rows) as { data: [[string, string], unknown][] };
    expect(data.length).toBeGreaterThan(5);
    const kinds = new Set<string | undefined>();
    for (const [[, uuid]] of data) {
      const acl = JSON.parse((await ovenbird("why", uuid, "--json")).out) as AclAnswer;
      expect(acl.uuid).toBe(uuid);
      expect(acl.meaning).not.toContain("no row of");
      kinds.add(acl.origin?.policy.kind);
    }
    expect([...kinds].sort()).toEqual(["AdminNetworkPolicy", "NetworkPolicy", undefined]);
  });

  it("knows rows by the flows that are made of them", async () => {
    const flows = await lab.exec("central", ["ovn-sbctl", "--uuid", "lflow-list", "node1"]);
    const flow = /uuid=0x([0-9a-f]{8}).*ls_out_acl(?:_eval)? .*@isolated\.ingress/.exec(flows)?.[1] ?? "";
    expect((await ovenbird("why", flow)).out).toContain("drops ingress that no NetworkPolicy allows");
    expect((await ovenbird("why", "00000000")).out).toContain("NOT_FOUND");
  });

  it("reads what was logged, with names that had no room", async () => {
    await lab.probe([
      { from: "default/demo-3", to: "default/demo-1", port: 8080, protocol: "tcp" },
      { from: "default/demo-2", to: "default/demo-1", port: 8080, protocol: "tcp" },
      { from: "default/demo-2", to: "default/demo-1", port: 8080, protocol: "udp" },
    ]);
    await expect
      .poll(async () => (await ovenbird("logs", "policy")).out, { timeout: 10_000 })
      .toMatch(/drop egress udp .*:8080 \(AdminNetworkPolicy no-udp rule 1\)/);
    const { out } = await ovenbird("logs", "policy", "--namespace", "default");
    expect(out).toContain(`(NetworkPolicy default/${longName} isolates)`);
    expect(out).toContain(`(NetworkPolicy default/${longName} rule 0)`);
    expect(out).not.toContain("no-udp");
  });
});
