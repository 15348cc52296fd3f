import type { Problem } from "./object-problem.ts";
import type { PolicyRule } from "./policy.ts";
import type { Complain } from "./policy-problem.ts";
import { metadataOf, objectAt, textAt } from "./raw-object.ts";

/** The part of a policy's record that comes of its metadata and status. */
export function policyHead(raw: unknown) {
  const { namespace, name, uid } = metadataOf(raw);
  const { metadata, status } = objectAt(raw);
  const { creationTimestamp, generation } = objectAt(metadata);
  const createdAt = Date.parse(textAt(creationTimestamp) ?? "");
  const { conditions } = objectAt(status);
  return {
    namespace,
    name,
    uid,
    generation: typeof generation === "number" ? generation : 0,
    createdAt: Number.isNaN(createdAt) ? 0 : createdAt,
    conditions: Array.isArray(conditions) ? JSON.stringify(conditions) : "[]",
  };
}

/** More of a code than this, and longer ones, no Event and no condition can say. */
const maxProblemsPerCode = 16;
const maxMessageLength = 512;

/** Gathers what is wrong with an object while it is read, each thing once, and of much the first. */
export function createComplaints(): { readonly complain: Complain; readonly problems: () => readonly Problem[] } {
  const problems = new Map<string, Problem>();
  const counts = new Map<string, number>();
  return {
    complain(code, text) {
      const message = text.slice(0, maxMessageLength);
      const id = `${code} ${message}`;
      const count = counts.get(code) ?? 0;
      if (problems.has(id) || count >= maxProblemsPerCode) return;
      counts.set(code, count + 1);
      problems.set(id, Object.freeze({ code, message }));
    },
    problems: () => Object.freeze([...problems.values()]),
  };
}

/** Says when ports of egress are named by their pod, and a peer is none; in ingress it is the policy's own pods that name them. */
export function complainOfNamedPorts({ direction, index, peers, ports }: PolicyRule, complain: Complain): void {
  if (direction === "ingress" || peers === "any" || ports === "any") return;
  const named = ports.find((port) => port.kind === "named");
  const other = peers.find((peer) => peer.kind !== "pods");
  if (named === undefined || other === undefined) return;
  complain(
    "POLICY_NAMED_PORT_WITHOUT_POD",
    `${direction}[${index}]: ${other.kind} name no port ${JSON.stringify(named.name)}; together they match nothing`,
  );
}
