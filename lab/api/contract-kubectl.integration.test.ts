import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type ContractClient, createContractClient } from "./contract/client.ts";
import { type ServerUnderTest, startServerUnderTest } from "./contract/server.ts";

/** The verbs that people use, through the real kubectl. */

let server: ServerUnderTest;
let api: ContractClient;
const namespace = `kubectl-${process.pid}`;

async function kubectl(args: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await api.kubectl(["-n", namespace, ...args], input);
  if (code !== 0) throw new Error(`kubectl ${args.join(" ")}: ${stderr}`);
  return stdout.trim();
}

const manifest = (label: string) =>
  [
    "apiVersion: v1",
    "kind: Pod",
    `metadata: {name: web, labels: {app: ${label}}}`,
    "spec: {schedulerName: nobody, containers: [{name: main, image: 'example.invalid/probe:1', ports: [{containerPort: 80}]}]}",
    "---",
    "apiVersion: v1",
    "kind: Service",
    "metadata: {name: web}",
    "spec: {selector: {app: web}, ports: [{port: 80}]}",
    "---",
    "apiVersion: networking.k8s.io/v1",
    "kind: NetworkPolicy",
    "metadata: {name: web}",
    "spec: {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {}}]}]}",
  ].join("\n");

beforeAll(async () => {
  server = await startServerUnderTest();
  api = createContractClient(server.kubeconfig);
  await api.kubectl(["create", "namespace", namespace]);
});

afterAll(async () => {
  try {
    await api.kubectl(["delete", "namespace", namespace, "--wait=false"]);
  } finally {
    api.close();
    await server.stop();
  }
});

it("applies: creates, finds nothing to do, changes", async () => {
  expect((await kubectl(["apply", "-f", "-"], manifest("web"))).split("\n")).toEqual([
    "pod/web created",
    "service/web created",
    "networkpolicy.networking.k8s.io/web created",
  ]);
  expect(await kubectl(["apply", "-f", "-"], manifest("web"))).toContain("pod/web unchanged");
  expect(await kubectl(["apply", "-f", "-"], manifest("other"))).toContain("pod/web configured");
  expect(await kubectl(["get", "pod", "web", "-o", "jsonpath={.metadata.labels.app}"])).toBe("other");
});

it("gets tables, wide and by selector", async () => {
  expect((await kubectl(["get", "pods", "-l", "app in (other)"])).split("\n")[1]).toMatch(
    /^web\s+0\/1\s+Pending\s+0\s+\d+s$/,
  );
  expect(await kubectl(["get", "pods,services", "-o", "wide"])).toMatch(/service\/web\s+ClusterIP/);
  expect(await kubectl(["get", "pods", "--field-selector", "status.phase=Running", "-o", "name"])).toBe("");
});

it("describes", async () => {
  expect(await kubectl(["describe", "pod", "web"])).toMatch(/^Name:\s+web$/m);
  expect(await kubectl(["describe", "service", "web"])).toMatch(/^IP:\s+\S+$/m);
  expect(await kubectl(["describe", "namespace", namespace])).toMatch(/^Status:\s+Active$/m);
});

it("labels, annotates and patches", async () => {
  await kubectl(["label", "pod", "web", "tier=front"]);
  await kubectl(["annotate", "pod", "web", "note=hello"]);
  await kubectl(["patch", "pod", "web", "--type=json", "-p", '[{"op":"remove","path":"/metadata/labels/tier"}]']);
  await kubectl([
    "patch",
    "service",
    "web",
    "-p",
    '{"spec":{"ports":[{"port":81,"name":"more"},{"port":80,"name":"http"}]}}',
  ]);
  expect(JSON.parse(await kubectl(["get", "pod", "web", "-o", "json"])).metadata).toMatchObject({
    labels: { app: "other" },
    annotations: { note: "hello" },
  });
  expect(JSON.parse(await kubectl(["get", "service", "web", "-o", "json"])).spec.ports).toHaveLength(2);
});

it("creates by its own commands", async () => {
  await kubectl(["create", "configmap", "made", "--from-literal=a=b"]);
  await kubectl(["create", "secret", "generic", "made", "--from-literal=a=b"]);
  await kubectl(["create", "serviceaccount", "made"]);
  await kubectl(["create", "service", "clusterip", "made", "--tcp=80:8080"]);
  await kubectl(["create", "deployment", "made", "--image=example.invalid/probe:1", "--replicas=0"]);
  await kubectl([
    "run",
    "made",
    "--image=example.invalid/probe:1",
    "--overrides",
    '{"spec":{"schedulerName":"nobody"}}',
  ]);
  expect(JSON.parse(await kubectl(["get", "configmap", "made", "-o", "json"])).data).toEqual({ a: "b" });
  expect(await kubectl(["get", "service", "made", "-o", "jsonpath={.spec.ports[0].targetPort}"])).toBe("8080");
  expect(await kubectl(["get", "deployment", "made", "-o", "jsonpath={.spec.template.spec.containers[0].image}"])).toBe(
    "example.invalid/probe:1",
  );
  const twice = await api.kubectl(["-n", namespace, "create", "configmap", "made"]);
  expect(twice.stderr).toContain("already exists");
  expect(await kubectl(["auth", "can-i", "create", "pods"])).toBe("yes");
});

it("refuses unknown fields", async () => {
  const { code, stderr } = await api.kubectl(
    ["-n", namespace, "create", "-f", "-"],
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\njunk: 1\n",
  );
  expect(code).not.toBe(0);
  expect(stderr).toContain("junk");
});

it("watches", async () => {
  const child = spawn("kubectl", ["-n", namespace, "get", "configmaps", "--watch-only", "-o", "name"], {
    env: { ...process.env, KUBECONFIG: server.kubeconfig },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const seen = new Promise<string>((resolve) => createInterface({ input: child.stdout }).once("line", resolve));
  // The watch has begun once a change of ours comes through it: changes go on until then.
  let turn = 0;
  const changing = setInterval(() => {
    turn += 1;
    void api.kubectl(["-n", namespace, "annotate", "--overwrite", "configmap", "made", `turn=${turn}`]);
  }, 500);
  expect(await seen).toBe("configmap/made");
  clearInterval(changing);
  child.kill();
});

it("deletes, and waits until it is gone", async () => {
  expect(await kubectl(["delete", "pod,service,configmap", "web", "made", "--ignore-not-found"])).toContain(
    'pod "web" deleted',
  );
  const { stderr } = await api.kubectl(["-n", namespace, "get", "pod", "web"]);
  expect(stderr).toContain('pods "web" not found');
});
