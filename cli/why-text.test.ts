import type { PolicyReference, WhyAnswer, WhyDecision } from "@ovenbird/controller";
import { describe, expect, it } from "vitest";
import { whyText } from "./why-text.ts";

const policy = (name: string): PolicyReference => ({ kind: "NetworkPolicy", name, tier: "NetworkPolicy" });
const allowed: WhyDecision = { verdict: "allowed", by: "default" };
const denied = (changes: readonly string[], isolatedBy = [policy("shop/web")]): WhyDecision => ({
  verdict: "denied",
  by: "isolation",
  isolatedBy,
  changes,
});

function answer(egress: WhyDecision, ingress: WhyDecision): WhyAnswer {
  const from = { kind: "pod", name: "shop/front" } as const;
  const to = { kind: "pod", name: "shop/web" } as const;
  const ends = { from: { ...from, address: "10.244.1.6" }, to: { ...to, address: "10.244.0.5" } };
  const ports = { first: 80, last: 80 };
  const path = { family: 4, protocol: "tcp", ports, ...ends, verdict: "denied", egress, ingress } as const;
  return { from, to, verdict: "denied", paths: [path], notes: [] };
}

describe("what would change it", () => {
  it("is a list of alternatives where one direction denies", () => {
    const text = whyText(answer(allowed, denied(["do this", "do that"])));
    expect(text).toContain("    to change it:\n      - do this\n      - do that\n");
  });

  it("is one of each direction where both deny", () => {
    const text = whyText(answer(denied(["let out"]), denied(["let in"])));
    expect(text).toContain("to change it, for each direction one:\n      - egress: let out\n      - ingress: let in\n");
  });

  it("is told once for all protocols that it is about", () => {
    const ask = (protocol: "tcp" | "udp" | "icmp", what: string) => {
      const ports = protocol === "icmp" ? {} : { ports: { first: 0, last: 65_535 } };
      const decision = denied([`allow it on ${what} before rule 0`, `add ${what} to the ports`, "do that"]);
      const [path] = answer(allowed, decision).paths;
      return path === undefined ? [] : [{ ...path, protocol, ...ports }];
    };
    const two = [...ask("tcp", "tcp"), ...ask("udp", "udp")];
    const text = (paths: typeof two) => whyText({ ...answer(allowed, allowed), verdict: "denied", paths });
    expect(text(two)).toContain(
      "to change it:\n      - allow it on tcp, udp before rule 0\n      - add tcp, udp to the ports\n      - do that\n",
    );
    const all = text([...two, ...ask("icmp", "all protocols (ICMP has no ports)")]);
    expect(all).toContain("to change it:\n      - allow it on all protocols (ICMP has no ports) before rule 0\n");
    expect(all.match(/allow it/g)).toHaveLength(1);
  });

  it("says when there is more", () => {
    const many = Array.from({ length: 9 }, (_, index) => `way ${index}`);
    expect(whyText(answer(allowed, denied(many)))).toContain("- way 7\n      - … (");
    expect(whyText(answer(denied(many), denied(["let in"])))).toContain(
      "egress: way 3\n      - ingress: let in\n      - … (",
    );
  });
});

it("a hundred policies that isolate fill no screen", () => {
  const policies = Array.from({ length: 100 }, (_, index) => policy(`shop/p-${index}`));
  const text = whyText(answer(allowed, denied([], policies)));
  expect(text).toContain("NetworkPolicy shop/p-7, and 92 more; no rule allows it");
});
