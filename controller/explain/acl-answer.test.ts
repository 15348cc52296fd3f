import { describe, expect, it } from "vitest";
import { type AclRow, aclAnswer, aclByUuid } from "./acl-answer.ts";
import { ExplainError } from "./explain-error.ts";

const row = (uuid: string, owner: string | undefined, more: Partial<AclRow> = {}): AclRow => ({
  uuid,
  name: undefined,
  direction: "to-lport",
  priority: 10400,
  tier: undefined,
  match: "outport == @pods_0123456789abcdef",
  action: "allow-related",
  log: false,
  owner,
  ...more,
});

const first = row("aaaaaaaa-1111-5111-8111-111111111111", "NetworkPolicy/shop/web#ingress.0.numbers");
const twin = row("aaaaaaaa-2222-5222-8222-222222222222", undefined);
const nobody = () => undefined;

function codeOf(text: string): string | undefined {
  try {
    aclByUuid([first, twin], text, nobody);
  } catch (error) {
    if (error instanceof ExplainError) return error.code;
    throw error;
  }
  return undefined;
}

describe("the answer for an ACL", () => {
  it("is found by the whole UUID, or by enough of it", () => {
    expect(aclByUuid([first, twin], first.uuid, nobody).uuid).toBe(first.uuid);
    expect(aclByUuid([first, twin], "0xAAAAAAAA-1", nobody).uuid).toBe(first.uuid);
    expect(codeOf("aaaaaaaa")).toBe("AMBIGUOUS");
    expect(codeOf("bbbbbbbb")).toBe("NOT_FOUND");
    expect(codeOf("aaaaaaa")).toBe("BAD_QUERY");
    expect(codeOf("not-hexadecimal")).toBe("BAD_QUERY");
  });

  it("names policy, rule and direction, and the priority that flows have", () => {
    expect(aclAnswer(first, nobody)).toMatchObject({
      direction: "ingress",
      priority: 10400,
      flowPriority: 11400,
      origin: { policy: { kind: "NetworkPolicy", name: "shop/web" }, direction: "ingress", rule: 0 },
      meaning: "lets through what ingress rule 0 of NetworkPolicy shop/web matches",
    });
  });

  it.each([
    [
      "Tenant/default#isolation.ingress",
      "drops ingress that no NetworkPolicy allows, of pods that some NetworkPolicy isolates",
    ],
    [
      "NetworkPolicy/shop/web#ingress.isolation.all.logged",
      "of pods that NetworkPolicy shop/web isolates, for pods of namespaces that log it",
    ],
    [
      "NetworkPolicy/shop/web#ingress.0.ipv4-tcp.in:red",
      "what ingress rule 0 of NetworkPolicy shop/web matches, for pods of tenant red by the addresses of its own",
    ],
    ["Tenant/default#subnets#services.ipv4", "what pods of Subnets send to the services' network and nobody balanced"],
    ["Tenant/red#shared.answer.ipv6", "what the endpoints of shared Services send to tenant red unasked"],
    [
      "AdminNetworkPolicy/a#egress.2.rest",
      "drops what egress rule 2 of AdminNetworkPolicy a passes on and nobody decides",
    ],
    [
      "NetworkPolicy/shop/web#ingress.1.numbers@AdminNetworkPolicy/a:2",
      "of what rule 2 of AdminNetworkPolicy a passes on",
    ],
    ["AdminNetworkPolicy/a#ingress.0.numbers.logged", "for pods of namespaces that log it"],
    ["AdminNetworkPolicy/a#ingress.overflow.all", "there are too few priorities for its rules"],
    ["Node/node1#services.ipv4", "drops what pods of node node1 send to the services' network and nobody balanced"],
    ["Node/node1#pods", "what node node1 sends to its own pods"],
    ["Node/node1#policy.sctp.egress", "SCTP of node node1's pods that no policy spoke about"],
    ["Node/node1#policy.undecided.Admin", "what a tier leaves to the next, of all that comes to pods of node node1"],
    ["Tenant/default#policy.hairpin", "what a pod sends to itself by a Service"],
    ["Tenant/default#policy.sctp.answers.ingress", "SCTP's answers"],
    ["Node/node1#other", "drops for the network itself: Node node1, other"],
    ["stranger", "is no row of this network's controller"],
  ])("says what a row of %s does", (owner, meaning) => {
    expect(aclAnswer(row("cccccccc-1", owner, { action: "drop" }), nobody).meaning).toContain(meaning);
  });
});
