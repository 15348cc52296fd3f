import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { createServer as createSocketServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { askAgent } from "./ask-agent.ts";
import { cniErrorCodes } from "./index.ts";
import { runPlugin } from "./plugin.ts";
import type { CniRequest, CniResponse } from "./wire.ts";

let folder: string;
let socket: string;
let requests: CniRequest[];
let server: Server | undefined;

beforeEach(() => {
  folder = mkdtempSync("/tmp/ovenbird-plugin-");
  socket = join(folder, "cni.sock");
  requests = [];
});

afterEach(async () => {
  server?.closeAllConnections();
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
  server = undefined;
  rmSync(folder, { recursive: true });
});

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

/** An agent that answers every call alike, or never. */
async function listen(answer: CniResponse | string | undefined): Promise<void> {
  server = createServer(async (request, response) => {
    requests.push(JSON.parse(await bodyOf(request)) as CniRequest);
    if (answer !== undefined) response.end(typeof answer === "string" ? answer : JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server?.listen(socket, resolve));
}

const environment = {
  CNI_COMMAND: "ADD",
  CNI_CONTAINERID: "c0ffee",
  CNI_NETNS: "/var/run/netns/pod",
  CNI_IFNAME: "eth0",
  CNI_ARGS: "K8S_POD_NAMESPACE=default;K8S_POD_NAME=web",
  CNI_PATH: "/opt/cni/bin",
};
const config = () => ({ cniVersion: "1.1.0", name: "ovenbird", type: "ovenbird", socket });

async function run(variables: Readonly<Record<string, string | undefined>>, stdin: unknown) {
  const text = typeof stdin === "string" ? stdin : JSON.stringify(stdin);
  const { stdout, exitCode } = await runPlugin(variables, () => Promise.resolve(text));
  return { exitCode, stdout, output: stdout === "" ? undefined : (JSON.parse(stdout) as Record<string, unknown>) };
}

describe("a CNI call", () => {
  it("is passed on with environment and configuration, and the agent's result is printed", async () => {
    const result = { cniVersion: "1.1.0", ips: [{ address: "10.244.0.3/24" }] };
    await listen({ result });
    expect(await run(environment, config())).toMatchObject({ exitCode: 0, output: result });
    expect(requests).toEqual([
      {
        command: "ADD",
        containerId: "c0ffee",
        netns: "/var/run/netns/pod",
        ifname: "eth0",
        args: "K8S_POD_NAMESPACE=default;K8S_POD_NAME=web",
        path: "/opt/cni/bin",
        config: config(),
      },
    ]);
  });

  it("prints nothing when there is no result", async () => {
    await listen({ result: undefined });
    for (const command of ["DEL", "CHECK", "GC", "STATUS"]) {
      expect(await run({ ...environment, CNI_COMMAND: command }, config())).toMatchObject({ exitCode: 0, stdout: "" });
    }
  });

  it("prints the agent's error in the version that was asked for", async () => {
    await listen({ error: { cniVersion: "0.3.1", code: 123, msg: "no flows", details: "ovn-controller" } });
    expect(await run(environment, { ...config(), cniVersion: "1.0.0" })).toMatchObject({
      exitCode: 1,
      output: { cniVersion: "1.0.0", code: 123, msg: "no flows", details: "ovn-controller" },
    });
  });

  it("deletes without a network namespace, which may be gone", async () => {
    await listen({ result: undefined });
    expect(await run({ ...environment, CNI_COMMAND: "DEL", CNI_NETNS: "" }, config())).toMatchObject({ exitCode: 0 });
    expect(requests[0]).not.toHaveProperty("netns");
    expect(await run({ ...environment, CNI_COMMAND: "DEL", CNI_NETNS: "no/path" }, config())).toMatchObject({
      exitCode: 0,
    });
  });

  it("answers VERSION by itself, whatever is asked", async () => {
    const supportedVersions = ["0.3.1", "0.4.0", "1.0.0", "1.1.0"];
    const version = { CNI_COMMAND: "VERSION" };
    expect((await run(version, "")).output).toEqual({ cniVersion: "1.1.0", supportedVersions });
    expect((await run(version, { cniVersion: "0.4.0" })).output).toEqual({ cniVersion: "0.4.0", supportedVersions });
    expect((await run(version, { cniVersion: "9.9.9" })).output).toEqual({ cniVersion: "9.9.9", supportedVersions });
  });
});

describe("wrong input", () => {
  const cases: readonly (readonly [string, Readonly<Record<string, string | undefined>>, unknown, number])[] = [
    ["garbage on stdin", {}, "\0\x01 garbage", 6],
    ["an empty stdin", {}, "", 6],
    ["JSON that is no object", {}, "[1]", 6],
    ["cut-off JSON", {}, '{"cniVersion":"1.1.0"', 6],
    ["an unknown cniVersion", {}, { cniVersion: "2.0.0" }, 1],
    ["an old cniVersion", {}, { cniVersion: "0.2.0" }, 1],
    ["no cniVersion", {}, { cniVersion: undefined }, 1],
    ["a cniVersion that is no text", {}, { cniVersion: 1 }, 1],
    ["CHECK before 0.4.0", { CNI_COMMAND: "CHECK" }, { cniVersion: "0.3.1" }, 1],
    ["STATUS before 1.1.0", { CNI_COMMAND: "STATUS" }, { cniVersion: "1.0.0" }, 1],
    ["GC before 1.1.0", { CNI_COMMAND: "GC" }, { cniVersion: "1.0.0" }, 1],
    ["no command", { CNI_COMMAND: undefined }, {}, 4],
    ["an unknown command", { CNI_COMMAND: "FROBNICATE" }, {}, 4],
    ["a command from Object.prototype", { CNI_COMMAND: "constructor" }, {}, 4],
    ["no network namespace", { CNI_NETNS: undefined }, {}, 4],
    ["a relative network namespace", { CNI_NETNS: "pod" }, {}, 4],
    ["no container id", { CNI_CONTAINERID: undefined }, {}, 4],
    ["a container id with a slash", { CNI_CONTAINERID: "../etc" }, {}, 4],
    ["no interface name", { CNI_IFNAME: "" }, {}, 4],
    ["an interface name that is too long", { CNI_IFNAME: "eth0123456789012" }, {}, 4],
    ["an interface name of dots", { CNI_IFNAME: ".." }, {}, 4],
    ["no network name", {}, { name: undefined }, 7],
    ["no socket", {}, { socket: undefined }, 7],
    ["a relative socket", {}, { socket: "cni.sock" }, 7],
    ["a socket path that does not fit", {}, { socket: `/${"x".repeat(200)}` }, 7],
  ];
  it.each(cases)("%s ends in its code", async (_, variables, stdin, code) => {
    await listen({ result: undefined });
    const input = typeof stdin === "string" ? stdin : { ...config(), ...(stdin as object) };
    const { exitCode, output } = await run({ ...environment, ...variables }, input);
    expect(exitCode).toBe(1);
    expect(output).toMatchObject({ code, msg: expect.any(String), cniVersion: expect.stringMatching(/^\d/) });
    expect(requests).toEqual([]);
  });
});

describe("an agent that is down", () => {
  it("fails STATUS with 50 and everything else with 11, at once and in clear words", async () => {
    for (const command of ["ADD", "DEL", "CHECK", "GC", "STATUS"]) {
      const { exitCode, output } = await run({ ...environment, CNI_COMMAND: command }, config());
      expect(exitCode).toBe(1);
      expect(output).toMatchObject({
        code: command === "STATUS" ? cniErrorCodes.unavailable : cniErrorCodes.tryAgainLater,
        msg: "the node agent is not running",
      });
    }
  });

  it("is told from one that hangs, which is waited for in bounded time", async () => {
    await listen(undefined);
    const call = {
      kind: "agent",
      cniVersion: "1.1.0",
      socketPath: socket,
      request: { command: "ADD", config: config() },
    } as const;
    await expect(askAgent(call, 100)).rejects.toMatchObject({
      code: cniErrorCodes.tryAgainLater,
      message: "the node agent did not answer ADD within 100 ms",
    });
  });

  it("may be killed in mid-call", async () => {
    const killed = createSocketServer((connection) => connection.once("data", () => connection.destroy()));
    await new Promise<void>((resolve) => killed.listen(socket, resolve));
    const { output } = await run(environment, config());
    killed.close();
    expect(output).toMatchObject({ code: cniErrorCodes.tryAgainLater });
  });

  it("may be replaced by something that speaks otherwise", async () => {
    await listen("hello");
    expect((await run(environment, config())).output).toMatchObject({ code: cniErrorCodes.invalidAnswer });
  });

  it("may be replaced by something that never ends", async () => {
    const flood = createSocketServer((connection) => {
      connection.on("error", () => undefined);
      const more = () => {
        while (!connection.destroyed && connection.write("x".repeat(65_536)));
      };
      connection.on("drain", more);
      more();
    });
    await new Promise<void>((resolve) => flood.listen(socket, resolve));
    const { output } = await run(environment, config());
    flood.close();
    expect(output).toMatchObject({ code: cniErrorCodes.invalidAnswer, msg: "the node agent's answer is too long" });
  });
});
