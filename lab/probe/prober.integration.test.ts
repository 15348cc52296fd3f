import { execFile, execFileSync } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createProber, type ProbeProtocol, type Prober } from "./index.ts";

const left = `ob-prober-${process.pid}-a`;
const right = `ob-prober-${process.pid}-b`;
const addresses = { ipv4: "198.51.100.2", ipv6: "fd00:51::2" } as const;
const sources = { ipv4: "198.51.100.1", ipv6: "fd00:51::1" } as const;
const ip = (...args: string[]) => execFileSync("ip", args);
const namespace = (name: string) => `/run/netns/${name}`;

let prober: Prober;

beforeAll(() => {
  for (const name of [left, right]) ip("netns", "add", name);
  ip("link", "add", "probe0", "netns", left, "type", "veth", "peer", "name", "probe0", "netns", right);
  for (const [name, last] of [
    [left, "1"],
    [right, "2"],
  ] as const) {
    ip("-n", name, "address", "add", `198.51.100.${last}/24`, "dev", "probe0");
    ip("-n", name, "address", "add", `fd00:51::${last}/64`, "dev", "probe0", "nodad");
    ip("-n", name, "link", "set", "probe0", "up");
    ip("-n", name, "link", "set", "lo", "up");
  }
  // 81 is silent in both directions, as a network policy would have it.
  execFileSync("ip", ["netns", "exec", right, "nft", "-f", "-"], {
    input: [
      "table inet probe {",
      " chain in {",
      "  type filter hook input priority 0",
      "  meta l4proto { tcp, udp, sctp } th dport 81 drop",
      " }",
      "}",
      "",
    ].join("\n"),
  });
  prober = createProber();
  prober.serve({
    namespace: namespace(right),
    identity: "default/right",
    ports: (["tcp", "udp", "sctp"] as const).flatMap((protocol) => [
      { protocol, port: 80 },
      { protocol, port: 81 },
    ]),
  });
});

afterAll(() => {
  prober?.close();
  for (const name of [left, right]) ip("netns", "delete", name);
});

const ask = (protocol: ProbeProtocol, to: string, port?: number, timeoutMs = 3000) =>
  prober.probe({ namespace: namespace(left), to, ...(port === undefined ? {} : { port }), protocol, timeoutMs });

describe.each(["ipv4", "ipv6"] as const)("a probe over %s", (family) => {
  it.each(["tcp", "udp", "sctp"] as const)("names the peer and the source that it saw (%s)", async (protocol) => {
    const result = await ask(protocol, addresses[family], 80);
    expect(result).toMatchObject({ verdict: "connected", peer: "default/right", sourceSeen: sources[family] });
    expect(result.rttMs).toBeGreaterThan(0);
  });

  it.each(["tcp", "udp", "sctp"] as const)("tells a refusal (%s)", async (protocol) => {
    expect(await ask(protocol, addresses[family], 82)).toEqual({ verdict: "refused" });
  });

  it.each(["tcp", "udp", "sctp"] as const)("tells silence (%s)", async (protocol) => {
    expect(await ask(protocol, addresses[family], 81, 300)).toEqual({ verdict: "dropped" });
  });

  it("pings", async () => {
    expect(await ask("icmp", addresses[family])).toMatchObject({ verdict: "connected" });
  });
});

describe("a prober", () => {
  it("asks five hundred questions at once, half of them dropped, each answered for itself", async () => {
    const results = await Promise.all(
      Array.from({ length: 500 }, (_, index) =>
        ask((["tcp", "udp", "sctp"] as const)[index % 3] ?? "tcp", addresses.ipv4, index % 2 === 0 ? 80 : 81, 1500),
      ),
    );
    expect(results.map(({ verdict }) => verdict)).toEqual(
      results.map((_, index) => (index % 2 === 0 ? "connected" : "dropped")),
    );
  });

  it.each(["tcp", "udp", "sctp"] as const)(
    "takes no time in which it stood still for silence (%s)",
    async (protocol) => {
      const asked = ask(protocol, addresses.ipv4, 80, 50);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400);
      expect(await asked).toMatchObject({ verdict: "connected", peer: "default/right" });
    },
  );

  it("says what is wrong with a question", async () => {
    expect(await ask("tcp", addresses.ipv4)).toMatchObject({ verdict: "error" });
    expect(
      await prober.probe({ namespace: "/run/netns/none", to: "192.0.2.1", port: 1, protocol: "tcp", timeoutMs: 10 }),
    ).toMatchObject({ verdict: "error" });
  });

  it("answers plain HTTP with the host's name", async () => {
    const url = `http://${addresses.ipv4}:80/hostname`;
    const script = `fetch("${url}").then((answer) => answer.text()).then((text) => process.stdout.write(text))`;
    const { stdout } = await promisify(execFile)("ip", ["netns", "exec", left, process.execPath, "--eval", script]);
    expect(stdout).toBe("right");
  });

  it("refuses once its servers are closed", async () => {
    const servers = prober.serve({
      namespace: namespace(right),
      identity: "x",
      ports: [{ protocol: "tcp", port: 90 }],
    });
    expect(await ask("tcp", addresses.ipv4, 90)).toMatchObject({ verdict: "connected", peer: "x" });
    servers.close();
    expect(await ask("tcp", addresses.ipv4, 90)).toEqual({ verdict: "refused" });
  });

  it("throws when a port is taken", () => {
    expect(() =>
      prober.serve({ namespace: namespace(right), identity: "x", ports: [{ protocol: "udp", port: 80 }] }),
    ).toThrow();
  });
});
