import { describe, expect, it, vi } from "vitest";
import { CliError } from "./cli-error.ts";
import { createLogNames, readLogName } from "./log-name.ts";

describe("a name in the log", () => {
  it.each([
    ["NP/shop/web:ingress:0", { policy: { kind: "NetworkPolicy", name: "shop/web" }, namespace: "shop", rule: 0 }],
    [
      "NP/shop/web:egress:2.http-80",
      { policy: { kind: "NetworkPolicy", name: "shop/web" }, namespace: "shop", rule: 2 },
    ],
    [
      "NP/shop/web:ingress:isolation",
      { policy: { kind: "NetworkPolicy", name: "shop/web" }, namespace: "shop", isolation: true },
    ],
    ["ANP/deny-all:ingress:10", { policy: { kind: "AdminNetworkPolicy", name: "deny-all" }, rule: 10 }],
    ["BANP/default:egress:1", { policy: { kind: "BaselineAdminNetworkPolicy", name: "default" }, rule: 1 }],
    ["CNP/a.b:ingress:0@AdminNetworkPolicy/pass:3", { policy: { kind: "ClusterNetworkPolicy", name: "a.b" }, rule: 0 }],
  ])("%s says all itself", (name, policy) => {
    expect(readLogName(name)).toEqual(policy);
  });

  it.each([
    "NP/a-very-long-namespace/a-very-long-name-that-was-cu~0123abcd",
    "somebody's own",
    "<unnamed>",
    "XP/a/b:ingress:0",
  ])("%s does not", (name) => {
    expect(readLogName(name)).toBeUndefined();
  });

  it("that was cut is asked for once", async () => {
    const asked: unknown[] = [];
    const nameOf = createLogNames(
      {
        get: async (path, query) => {
          asked.push([path, query]);
          const origin = {
            policy: { kind: "NetworkPolicy", name: "shop/web" },
            direction: "ingress",
            rule: 4,
            part: "rule",
            logged: true,
          };
          return { acls: [{ origin }] };
        },
        post: () => Promise.reject(new Error("not asked")),
      },
      () => undefined,
    );
    for (let time = 0; time < 3; time++) {
      expect(await nameOf("NP/shop/we~01234567")).toEqual({
        policy: { kind: "NetworkPolicy", name: "shop/web" },
        namespace: "shop",
        rule: 4,
      });
    }
    expect(asked).toEqual([["/acls", { name: "NP/shop/we~01234567" }]]);
  });

  it("stays as it is without controller, which is said once", async () => {
    const problems: string[] = [];
    const unreachable = () => Promise.reject(new CliError("CONTROLLER_UNREACHABLE", "nobody"));
    const nameOf = createLogNames({ get: unreachable, post: unreachable }, (problem) => problems.push(problem));
    expect(await nameOf("a~1")).toBeUndefined();
    expect(await nameOf("b~2")).toBeUndefined();
    expect(problems).toHaveLength(1);
  });

  it("is asked for again when the controller is back", async () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    let isThere = false;
    const problems: string[] = [];
    const get = async () => {
      if (!isThere) throw new CliError("CONTROLLER_UNREACHABLE", "nobody");
      return { acls: [{ origin: { policy: { kind: "AdminNetworkPolicy", name: "a" }, part: "rule", rule: 1 } }] };
    };
    const nameOf = createLogNames({ get, post: get }, (problem) => problems.push(problem));
    expect(await nameOf("ANP/a~1")).toBeUndefined();
    isThere = true;
    expect(await nameOf("ANP/a~1")).toBeUndefined();
    vi.advanceTimersByTime(10_000);
    expect(await nameOf("ANP/a~1")).toMatchObject({ policy: { name: "a" }, rule: 1 });
    expect(problems).toHaveLength(1);
    vi.useRealTimers();
  });
});
