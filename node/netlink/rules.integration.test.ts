import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { addRule, deleteRule, inNamespace, listRules, openRouteSocket, type Rule, watchNetwork } from "./index.ts";

const run = (...command: readonly string[]): string =>
  execFileSync(command[0] ?? "", command.slice(1), { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

let name: string;
let path: string;

beforeEach(() => {
  name = `obt-rules-${randomBytes(4).toString("hex")}`;
  run("ip", "netns", "add", name);
  path = `/var/run/netns/${name}`;
});

afterEach(() => run("ip", "netns", "delete", name));

const toNodePorts: Rule = {
  family: "ipv4",
  priority: 100,
  table: 9099,
  incomingLink: "lo",
  destination: "192.0.2.11/32",
  protocol: "sctp",
  destinationPorts: { first: 30_000, last: 32_767 },
};
const fromManagement: Rule = { family: "ipv6", priority: 32_000, table: 9099, source: "fd00:10:244::2/128" };

describe("a routing rule", () => {
  it("is added as ip-rule(8) shows it, and listed as it was given", () => {
    using socket = openRouteSocket(path);
    addRule(socket, toNodePorts);
    addRule(socket, fromManagement);
    expect(run("ip", "-n", name, "rule")).toContain(
      "100:\tfrom all to 192.0.2.11 iif lo ipproto sctp dport 30000-32767 lookup 9099",
    );
    expect(run("ip", "-n", name, "-6", "rule")).toContain("32000:\tfrom fd00:10:244::2 lookup 9099");
    expect(listRules(socket)).toEqual(expect.arrayContaining([toNodePorts, fromManagement]));
  });

  it("stands there once however often it is added", () => {
    using socket = openRouteSocket(path);
    addRule(socket, toNodePorts);
    addRule(socket, toNodePorts);
    expect(listRules(socket).filter(({ priority }) => priority === 100)).toEqual([toNodePorts]);
  });

  it("is deleted alone, and its absence is no error", () => {
    using socket = openRouteSocket(path);
    const other: Rule = { ...toNodePorts, protocol: "udp" };
    addRule(socket, toNodePorts);
    addRule(socket, other);
    expect(deleteRule(socket, toNodePorts)).toBe(true);
    expect(deleteRule(socket, toNodePorts)).toBe(false);
    expect(listRules(socket).filter(({ priority }) => priority === 100)).toEqual([other]);
  });

  it("is seen by the watch when somebody else takes it away", async () => {
    using socket = openRouteSocket(path);
    const seen = Promise.withResolvers<void>();
    const end = inNamespace(path, () =>
      watchNetwork((changes) => {
        if (changes.size === 1 && changes.has("rule")) seen.resolve();
      }),
    );
    // The child subscribes a moment after it has started, so the change is repeated until it is seen.
    const timer = setInterval(() => {
      addRule(socket, toNodePorts);
      run("ip", "-n", name, "rule", "delete", "priority", "100");
    }, 50);
    await seen.promise;
    clearInterval(timer);
    end();
  });
});
