import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { Registry } from "prom-client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exitCodes, program } from "../../cli/index.ts";
import { modelOfObjects } from "../../controller/explain/model-of-objects.ts";
import { policyApi } from "../../controller/serve/policy-api.ts";
import { type StatusServer, startStatusServer } from "../../controller/serve/server.ts";

const policy = {
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { namespace: "shop", name: "web", uid: "web" },
  spec: { podSelector: { matchLabels: { app: "web" } }, ingress: [{ ports: [{ port: 80 }] }] },
};

const model = modelOfObjects({
  namespaces: { shop: {} },
  pods: {
    "shop/web": { addresses: ["10.244.0.5"], labels: { app: "web" }, node: "node1" },
    "shop/front": { addresses: ["10.244.0.6"], labels: { app: "front" }, node: "node1" },
  },
  policies: [policy],
});

const row = {
  uuid: "aaaaaaaa-1111-5111-8111-111111111111",
  name: "NP/shop/web~01234567",
  direction: "to-lport" as const,
  priority: 10400,
  tier: undefined,
  match: "outport == @pods_0123456789abcdef && tcp.dst == 80",
  action: "allow-related",
  log: true,
  owner: "NetworkPolicy/shop/web#ingress.0.numbers",
};

let leader: StatusServer;
let follower: StatusServer;
let folder: string;

beforeAll(async () => {
  const serve = (source: Parameters<typeof policyApi>[0]["source"]) =>
    startStatusServer({
      bindAddress: "127.0.0.1:0",
      readiness: () => ({ ready: true, leading: true, checks: {} }),
      registry: new Registry(),
      api: policyApi({ source, leader: () => "the-leader" }),
    });
  leader = await serve(() => ({
    model: () => model,
    flows: { pod: () => undefined, node: () => undefined },
    serviceNetworks: [],
    acls: () => [row],
  }));
  follower = await serve(() => undefined);
  folder = await mkdtemp("/tmp/ovenbird-command-");
});
afterAll(async () => {
  await leader.close();
  await follower.close();
  await rm(folder, { recursive: true });
});

async function ovenbird(...args: readonly string[]) {
  const out: string[] = [];
  const error: string[] = [];
  let status: number = exitCodes.answered;
  const outlet = {
    out: (text: string) => void out.push(text),
    error: (text: string) => void error.push(text),
    exit(code: number) {
      status = code;
    },
    untilStopped: () => new AbortController().signal,
  };
  try {
    await program(outlet, "1.2.3").parseAsync([...args], { from: "user" });
  } catch {
    // As the program itself ends when commander has said what is wrong.
    status = exitCodes.usage;
  }
  return { out: out.join(""), error: error.join(""), status };
}

const at = () => ["--controller", `${follower.url},${leader.url}`];

describe("ovenbird", () => {
  it("asks the controller that leads, whichever that is", async () => {
    const { out, status } = await ovenbird("why", "shop/front", "shop/web", "--port", "80", ...at());
    expect(status).toBe(exitCodes.answered);
    expect(out).toContain("shop/front -> shop/web: ALLOWED");
    expect(out).toContain("NetworkPolicy shop/web, ingress rule 0: allow");
  });

  it("says what would change a verdict", async () => {
    const { out } = await ovenbird("why", "shop/front", "shop/web", "-p", "81", ...at());
    expect(out).toContain("DENIED");
    expect(out).toContain("- add tcp/81 to the ports of ingress rule 0 of NetworkPolicy shop/web");
  });

  it("prints JSON as the API has it", async () => {
    const { out } = await ovenbird("why", "shop/front", "shop/web", "--json", ...at());
    expect(JSON.parse(out)).toMatchObject({ verdict: "partly", from: { kind: "pod", name: "shop/front" } });
  });

  it("explains a row", async () => {
    const { out } = await ovenbird("why", "aaaaaaaa", ...at());
    expect(out).toContain("lets through what ingress rule 0 of NetworkPolicy shop/web matches");
    expect(out).toContain(row.match);
    expect(JSON.parse((await ovenbird("why", "aaaaaaaa", "--json", ...at())).out)).toMatchObject({ uuid: row.uuid });
  });

  it("plans from files", async () => {
    const file = join(folder, "policy.yaml");
    await writeFile(file, `---\n${JSON.stringify(policy)}\n---\n`);
    const deleted = await ovenbird("plan", "-f", file, "--delete", ...at());
    expect(deleted.out).toContain("NetworkPolicy shop/web: deleted");
    expect(deleted.out).toContain("denied -> allowed");
    expect((await ovenbird("plan", "-f", file, ...at())).out).toContain("No verdict changes.");
    expect(JSON.parse((await ovenbird("plan", "-f", file, "--json", ...at())).out)).toMatchObject({ pairs: 0 });
  });

  it("reads the log with names that were cut", async () => {
    const line = (name: string, to: string) =>
      `2026-11-21T08:02:31.${to}Z|00010|acl_log(ovn_pinctrl0)|INFO|name="${name}", verdict=drop, severity=info, direction=to-lport: tcp,nw_src=10.244.0.3,nw_dst=10.244.1.3,tp_src=1,tp_dst=${to}\n`;
    const files = [join(folder, "a.log"), join(folder, "b.log")];
    await writeFile(files[0] ?? "", `${line(row.name, "100")}noise\n${line("ANP/deny:ingress:0", "300")}`);
    await writeFile(files[1] ?? "", line("NP/bank/x:ingress:isolation", "200"));
    const { out } = await ovenbird("logs", "policy", "--file", files.join(), ...at());
    expect(out.split("\n").map((text) => /\((.*)\)$/.exec(text)?.[1])).toEqual([
      "NetworkPolicy shop/web rule 0",
      "NetworkPolicy bank/x isolates",
      "AdminNetworkPolicy deny rule 0",
      undefined,
    ]);
    const one = await ovenbird("logs", "policy", "--file", files.join(), "--namespace", "bank", "--json", ...at());
    expect(JSON.parse(one.out)).toMatchObject({ namespace: "bank", destinationPort: 200 });
  });

  it.each([
    ["why", [], exitCodes.usage, ""],
    ["why", ["nonsense"], exitCodes.usage, "USAGE"],
    ["why", ["shop/front", "shop/web", "--port", "0"], exitCodes.usage, ""],
    ["why", ["shop/front", "shop/web", "--protocol", "gre"], exitCodes.usage, ""],
    ["why", ["shop/front", "shop/gone"], exitCodes.failed, "REFUSED: NOT_FOUND"],
    ["plan", [], exitCodes.usage, ""],
    ["plan", ["-f", "/nonexistent"], exitCodes.failed, "FILE_UNREADABLE"],
    ["logs", ["policy", "--file", "/nonexistent"], exitCodes.failed, "FILE_UNREADABLE"],
  ])("%s %j ends with %i %s", async (verb, args, status, error) => {
    const result = await ovenbird(verb, ...args, ...(verb === "logs" ? [] : at()));
    expect(result.status).toBe(status);
    expect(result.error).toContain(error);
  });

  /** Somebody else than a controller. */
  async function withServer(answer: RequestListener, use: (url: string) => Promise<void>): Promise<void> {
    const server = createServer(answer);
    await once(server.listen(0, "127.0.0.1"), "listening");
    try {
      await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }

  it.each([
    ["why", ["shop/front", "shop/web"], "{}"],
    ["why", ["aaaaaaaa"], '{"uuid":7}'],
    ["why", ["shop/front", "shop/web"], "[]"],
    ["why", ["shop/front", "shop/web"], "<html>"],
  ])("%s %j does not take %s for an answer", (verb, args, body) =>
    withServer(
      (_request, response) => void response.end(body),
      async (url) => {
        const result = await ovenbird(verb, ...args, "--controller", url);
        expect(result.status).toBe(exitCodes.failed);
        expect(result.error).toContain("ovenbird: UNEXPECTED_ANSWER: ");
      },
    ),
  );

  it("keeps the path of the controller's address, as a proxy has one", async () => {
    const paths: (string | undefined)[] = [];
    const answer: RequestListener = ({ url }, response) => {
      paths.push(url);
      response.end(JSON.stringify({ error: { code: "NOT_FOUND", message: "" } }));
    };
    await withServer(answer, async (url) => void (await ovenbird("why", "aaaaaaaa", "--controller", `${url}/proxy/`)));
    expect(paths).toEqual(["/proxy/v1/acls/aaaaaaaa"]);
  });

  it("ends at once when it is interrupted", async () => {
    const main = join(import.meta.dirname, "..", "..", "cli", "main.ts");
    const asked = Promise.withResolvers<void>();
    await withServer(
      () => asked.resolve(),
      async (url) => {
        const child = spawn(process.execPath, [main, "why", "a/b", "a/c", "--controller", url], { stdio: "ignore" });
        const ended = once(child, "exit");
        await asked.promise;
        child.kill("SIGINT");
        expect(await ended).toEqual([null, "SIGINT"]);
      },
    );
  });

  it("says where it looked when nobody leads", async () => {
    const result = await ovenbird("why", "aaaaaaaa", "--controller", `${follower.url},127.0.0.1:1`);
    expect(result.status).toBe(exitCodes.failed);
    expect(result.error).toMatch(/CONTROLLER_UNREACHABLE: .*the-leader leads; http:\/\/127\.0\.0\.1:1: /);
  });
});
