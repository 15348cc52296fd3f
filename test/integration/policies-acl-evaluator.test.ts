import { describe, expect, it } from "vitest";
import { type Connection, createAclEvaluator, type Row } from "../policies/acl-evaluator.ts";
import { type LogicalPacket, parseMatch } from "../policies/acl-match.ts";

/** The reader of rows decides as OVN does. */

const packet: LogicalPacket = {
  inport: { uuid: "1", name: "a" },
  outport: { uuid: "2", name: "b" },
  family: "ipv4",
  source: "10.0.0.1",
  destination: "10.0.1.2",
  protocol: "tcp",
  sourcePort: 40_000,
  destinationPort: 8080,
  icmpType: 8,
  ct: new Set(["new", "trk"]),
};
const context = {
  isResident: (port: string) => port === "here",
  inGroup: (group: string, { uuid }: { readonly uuid: string }) => group === "ones" && uuid === "1",
  inSet: (set: string, address: string) => set === "as.ipv4" && address === "10.0.0.1",
};

describe("a match", () => {
  it.each<[text: string, result: boolean, changes?: Partial<LogicalPacket>]>([
    ["ip", true],
    ["ip4 && tcp", true],
    ["ip6 || udp", false],
    ["inport == @ones", true],
    ["outport == @ones", false],
    ['outport == "b"', true],
    ['outport == {"c", "b"}', true],
    ["ip4.src == $as.ipv4", true],
    ["ip4.dst == $as.ipv4", false],
    ["ip4.src == {$as.ipv4, 10.9.0.0/16}", true],
    ["ip4.dst == 10.0.1.0/24", true],
    ["ip4.dst == {10.0.2.0/24, 10.0.1.2}", true],
    ["ip6.src == ::/0", false],
    ["ip6.src == fd00::/8 && tcp", true, { family: "ipv6", source: "fd00::1", destination: "fd00::2" }],
    ["tcp.dst == 8080", true],
    ["tcp.dst == {80, 8080}", true],
    ["8000 <= tcp.dst <= 8999", true],
    ["8081 <= tcp.dst <= 8999", false],
    ["tcp.dst >= 8080 && tcp.dst < 8081", true],
    ["udp.dst == 8080", false],
    // A comparison has its protocol as a condition, also where it is turned round.
    ["udp.dst != 53", false],
    ["!(udp.dst == 53)", false],
    ["!(tcp.dst == 53)", true],
    ["!ip6 && !(udp || sctp)", true],
    ["!(8000 <= tcp.dst <= 8999)", false],
    ["(ip4.src == 10.0.0.1 && tcp) || icmp", true],
    ["icmp4.type == 8", true, { protocol: "icmp" }],
    ["icmp6.type == {135, 136}", true, { protocol: "icmp", family: "ipv6", icmpType: 136 }],
    ["nd", true, { protocol: "icmp", family: "ipv6", icmpType: 135 }],
    ["ct.new && !ct.est", true],
    ["1", true],
    ["0 || tcp", true],
  ])("%s", (text, result, changes = {}) => {
    expect(parseMatch(text)({ ...packet, ...changes }, context)).toBe(result);
  });

  it.each([
    ["ip4 && tcp || udp", "without parentheses"],
    ["ip4.src != {10.0.0.1, 10.0.0.2}", "multiply"],
    ["ip4.src != $as.ipv4", "multiply"],
    ["tcp.flags == 2", "not known"],
    ["(ip4", "missing"],
    ["ip4 tcp", "one too many"],
    ["tcp.dst == $ports", "no number"],
    ["ip4.src ==", "a constant is missing"],
    ["ip4.src == ;", "can't be read"],
  ])("%s is refused", (text, message) => {
    expect(() => parseMatch(text)(packet, context)).toThrow(message);
  });
});

const acl = (name: string, columns: Record<string, unknown>): Row => ({
  table: "ACL",
  uuid: name,
  owner: name,
  columns: { direction: "to-lport", priority: 100, action: "drop", ...columns },
});
const after = { "apply-after-lb": "true" };

/** Two switches with a pod each, a group of both pods that bears the ACLs. */
function judge(acls: readonly Row[], connection: Partial<Connection> = {}, groupPorts = ["pa", "pb"]) {
  const port = (uuid: string, type = ""): Row => ({
    ...{ table: "Logical_Switch_Port", uuid, owner: uuid },
    columns: { name: `port-${uuid}`, type },
  });
  const rows: Row[] = [
    ...["pa", "pb"].map((uuid) => port(uuid)),
    ...["ra", "rb"].map((uuid) => port(uuid, "router")),
    ...["a", "b"].map((name) => ({
      ...{ table: "Logical_Switch", uuid: name, owner: name },
      columns: { name, ports: [`p${name}`, `r${name}`], acls: [] },
    })),
    {
      ...{ table: "Port_Group", uuid: "g", owner: "g" },
      columns: { name: "g", ports: groupPorts, acls: acls.map(({ uuid }) => uuid) },
    },
    { table: "Address_Set", uuid: "s", owner: "s", columns: { name: "s", addresses: ["10.0.0.1"] } },
    ...acls,
  ];
  return createAclEvaluator(rows).judge({
    from: { port: "port-pa", address: "10.0.0.1" },
    to: { port: "port-pb", address: "10.0.1.2" },
    ...{ protocol: "tcp", port: 80 },
    ...connection,
  });
}

const dropIn = acl("drop in", { match: "outport == @g && ip" });
const dropOut = acl("drop out", { direction: "from-lport", match: "inport == @g && ip", options: after });
const allowIn = acl("allow in", { priority: 200, action: "allow-related", match: "outport == @g && ip4.src == $s" });
const allowOut = acl("allow out", {
  ...{ direction: "from-lport", priority: 200, action: "allow-related", options: after },
  match: "inport == @g && tcp.dst == 80",
});
/** Makes the switches track connections, and decides nothing. */
const tracking = acl("tracking", { priority: 1, action: "allow-related", match: "outport == @g && 0" });

describe("rows", () => {
  it("without ACLs let everything through", () => {
    expect(judge([]).allowed).toBe(true);
  });

  it("of drops drop, in either direction", () => {
    expect(judge([dropIn]).allowed).toBe(false);
    expect(judge([dropOut]).allowed).toBe(false);
  });

  it("are about the ports of their group alone", () => {
    expect(judge([dropIn], {}, ["pa"]).steps.join()).not.toContain("b to-lport: drop");
    expect(judge([dropIn, tracking], {}, ["pa"]).allowed).toBe(true);
  });

  it("with drops alone drop replies too: nothing knows that they are", () => {
    const { allowed, steps } = judge([dropIn], {}, ["pa"]);
    expect(allowed).toBe(false);
    expect(steps.at(-1)).toContain("a to-lport: drop");
  });

  it("decide by the highest priority", () => {
    expect(judge([dropIn, allowIn]).allowed).toBe(true);
    expect(judge([dropIn, allowIn, dropOut, allowOut]).allowed).toBe(true);
    expect(judge([dropIn, allowIn, dropOut, allowOut], { port: 81 }).allowed).toBe(false);
    expect(judge([dropIn, { ...allowIn, columns: { ...allowIn.columns, priority: 99 } }]).allowed).toBe(false);
  });

  it("of one priority that contradict each other are an error", () => {
    const twin = acl("twin", { action: "allow-related", match: "outport == @g && tcp" });
    expect(() => judge([dropIn, twin])).toThrow("have one priority");
    expect(judge([acl("never", { match: "outport == @g && udp" }), twin]).allowed).toBe(true);
  });

  it("of a higher tier decide first, unless they pass", () => {
    const lower = acl("lower", { tier: 1, priority: 999, match: "outport == @g && ip" });
    const first = acl("first", { tier: 0, priority: 5, action: "allow-related", match: "outport == @g && tcp" });
    const pass = acl("pass", { tier: 0, priority: 6, action: "pass", match: "outport == @g && tcp.dst == 80" });
    expect(judge([lower]).allowed).toBe(false);
    expect(judge([lower, first]).allowed).toBe(true);
    expect(judge([lower, first, pass]).allowed).toBe(false);
    expect(judge([lower, first, pass], { port: 81 }).allowed).toBe(true);
    expect(judge([lower, pass, acl("tie", { tier: 0, priority: 6, match: "outport == @g && udp" })]).allowed).toBe(
      false,
    );
  });

  it("before and after load balancing have to allow both", () => {
    const before = acl("before", { direction: "from-lport", match: "inport == @g && tcp.dst == 81" });
    expect(judge([allowOut, before], { port: 81 }).allowed).toBe(false);
    expect(judge([allowOut, before]).allowed).toBe(true);
  });

  it("let replies through where connections are tracked", () => {
    expect(judge([dropIn, tracking, allowOut], {}, ["pa"]).allowed).toBe(true);
    expect(judge([dropIn, allowIn], { protocol: "icmp", port: undefined }).allowed).toBe(true);
  });

  it("judge SCTP both ways: connection tracking does not know what is a reply", () => {
    const sctp = { protocol: "sctp" } as const;
    const back = acl("back", { priority: 300, action: "allow-stateless", match: "outport == @g && sctp.src == 80" });
    expect(judge([tracking], sctp).allowed).toBe(true);
    expect(judge([dropIn, tracking], sctp, ["pa"]).allowed).toBe(false);
    expect(judge([dropIn, tracking, back], sctp, ["pa"]).allowed).toBe(true);
    expect(judge([dropIn, tracking, back], { protocol: "udp" }, ["pa"]).allowed).toBe(true);
  });

  it("match what is stateless before anything is known of the connection", () => {
    const known = acl("known", { priority: 300, action: "allow-stateless", match: "outport == @g && ct.trk" });
    const unknown = acl("unknown", { priority: 300, action: "allow-stateless", match: "outport == @g && ip" });
    expect(judge([dropIn, known, tracking]).allowed).toBe(true);
    expect(judge([dropOut, unknown, tracking], {}, ["pa"]).allowed).toBe(false);
    // Stateless at the client: the answer is judged there, and nothing lets it in but that very ACL.
    expect(judge([dropIn, unknown, tracking], {}, ["pa"]).steps.at(-1)).toContain("allow-stateless 0/300 unknown");
  });

  it("judge what a port sends to itself by a service with the source that it gets then", () => {
    const hairpin = acl("hairpin", {
      priority: 300,
      action: "allow-related",
      match: "outport == @g && ip4.src == 169.254.0.5",
    });
    const self = { from: { port: "port-pa", address: "10.0.0.1" }, to: { port: "port-pa", address: "10.0.0.1" } };
    expect(judge([dropIn, hairpin], { ...self, hairpin: "169.254.0.5" }).allowed).toBe(true);
    expect(judge([dropIn, hairpin], self).allowed).toBe(false);
  });

  it("name groups and sets that there are", () => {
    expect(() => judge([acl("bad", { match: "outport == @other && ip" })])).toThrow("no port group other");
    expect(() => judge([acl("bad", { match: "outport == @g && ip4.src == $other" })])).toThrow("no address set other");
  });
});
