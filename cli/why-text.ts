import type { AclAnswer, PolicyReference, RuleReference, WhyAnswer, WhyDecision, WhyPath } from "@ovenbird/controller";

/** The name of an end, with what it is where that isn't plain. */
function endText({ kind, name }: WhyAnswer["from"]): string {
  return kind === "pod" || kind === "address" || kind === "domain" ? name : `${kind} ${name}`;
}

function policyText({ kind, name, priority }: PolicyReference): string {
  return priority === undefined ? `${kind} ${name}` : `${kind} ${name} (priority ${priority})`;
}

function ruleText({ policy, rule, name, direction }: RuleReference): string {
  return `${policyText(policy)}, ${direction} rule ${rule}${name === undefined ? "" : ` "${name}"`}`;
}

const exemptions = {
  itself: "a pod always reaches itself",
  "own-node": "a node always reaches its own pods",
  "no-subject": "policies are for pods, and this end is none",
} as const;

/** A line names so many; `--json` has all. */
const named = 8;

function listText(texts: readonly string[], separator: string): string {
  const rest = texts.length > named ? `${separator}and ${texts.length - named} more` : "";
  return texts.slice(0, named).join(separator) + rest;
}

/** What decides, in one line. */
function reasonText(decision: WhyDecision): string {
  const { by, rules = [], isolatedBy = [] } = decision;
  const isolation = `isolated by ${listText(isolatedBy.map(policyText), ", ")}`;
  switch (by) {
    case "exemption":
      return decision.exemption === undefined ? "no policy counts" : exemptions[decision.exemption];
    case "default":
      return "no policy says anything";
    case "isolation":
      return `${isolation}; no rule allows it`;
    case "rule": {
      const deciding = listText(
        rules.map((rule) => `${ruleText(rule)}: ${rule.action}`),
        "; ",
      );
      const tier =
        rules[0] === undefined || rules[0].policy.tier === "NetworkPolicy" ? "" : `${rules[0].policy.tier} tier: `;
      return `${tier}${deciding}${isolatedBy.length > 0 ? ` (${isolation})` : ""}`;
    }
  }
}

function decisionLines(name: string, { passes = [], ...decision }: WhyDecision): string[] {
  return [
    `    ${name.padEnd(8)} ${decision.verdict}: ${reasonText(decision)}`,
    ...passes.map((rule) => `             passed on by ${ruleText(rule)}`),
  ];
}

/** `tcp/80`, `udp/1000-2000`, `sctp` for all its ports. */
export function portsText(
  protocol: string,
  ports: { readonly first?: number; readonly last?: number } | undefined,
): string {
  if (ports?.first === undefined || (ports.first === 0 && ports.last === 65_535)) return protocol;
  return `${protocol}/${ports.first === ports.last ? ports.first : `${ports.first}-${ports.last}`}`;
}

function familiesText(paths: readonly WhyPath[]): string {
  const families = new Set(paths.map(({ family }) => family));
  const [only] = families;
  return families.size > 1 || only === undefined ? "" : `, IPv${only}`;
}

/** Paths that differ in nothing but the family, protocol or backend's address are told once. */
function merged(paths: readonly WhyPath[]): readonly (readonly WhyPath[])[] {
  const groups = new Map<string, WhyPath[]>();
  for (const path of paths) {
    const { verdict, from, to, egress, ingress, service, network } = path;
    const plain = ({ changes: _, ...decision }: WhyDecision) => decision;
    const ends = [from.kind, from.name, to.kind, to.kind === "address" ? "" : to.name, service?.name, service?.port];
    const key = JSON.stringify([verdict, ends, network, plain(egress), plain(ingress)]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [path]);
    else group.push(path);
  }
  return [...groups.values()];
}

function distinct(texts: readonly string[]): readonly string[] {
  return [...new Set(texts)];
}

/** As advice says it of ICMP: it covers all others. */
const allProtocols = "all protocols (ICMP has no ports)";

/** Advice of several paths; what differs in nothing but the ports that it is about is told once, with all of them. */
function adviceOf(group: readonly WhyPath[], which: "egress" | "ingress"): readonly string[] {
  const told = new Map<string, { readonly parts: readonly string[]; readonly ports: Set<string> }>();
  for (const path of group) {
    const ports = path.protocol === "icmp" ? allProtocols : portsText(path.protocol, path.ports);
    for (const change of path[which].changes ?? []) {
      const at = ["on", "add"].map((word) => ` ${word} ${ports} `).find((words) => ` ${change} `.includes(words));
      const word = at?.slice(0, at.length - ports.length - 1) ?? "";
      const parts = at === undefined ? [change] : ` ${change} `.split(at).map((part) => part.trim());
      const key = JSON.stringify([word, parts]);
      const same = told.get(key) ?? { parts: at === undefined ? parts : [word.trim(), ...parts], ports: new Set() };
      same.ports.add(ports);
      told.set(key, same);
    }
  }
  return [...told.values()].map(({ parts: [word = "", ...parts], ports }) => {
    const all = ports.has(allProtocols) ? allProtocols : [...ports].join(", ");
    return parts.length === 0 ? word : parts.join(` ${word} ${all} `).trim();
  });
}

/** What would change it. Where both directions deny, one of them alone changes nothing: that is said. */
function changeLines(group: readonly WhyPath[]): readonly string[] {
  const of = (which: "egress" | "ingress") => adviceOf(group, which);
  const egress = of("egress");
  const ingress = of("ingress");
  const isTwofold = egress.length > 0 && ingress.length > 0 && group[0]?.verdict === "denied";
  const halfOf = (which: string, changes: readonly string[]) =>
    changes.slice(0, named / 2).map((change) => `${which}: ${change}`);
  const all = distinct([...egress, ...ingress]);
  const shown = isTwofold ? [...halfOf("egress", egress), ...halfOf("ingress", ingress)] : all.slice(0, named);
  if (shown.length === 0) return [];
  return [
    `    to change it${isTwofold ? ", for each direction one" : ""}:`,
    ...shown.map((change) => `      - ${change}`),
    ...(all.length > shown.length ? ["      - … (--protocol and --port ask for less, --json shows all)"] : []),
  ];
}

/** The answer for people. */
export function whyText(answer: WhyAnswer): string {
  const lines = [`${endText(answer.from)} -> ${endText(answer.to)}: ${answer.verdict.toUpperCase()}`];
  for (const group of merged(answer.paths)) {
    const [first] = group;
    if (first === undefined) continue;
    const { from, to, service, verdict, network, egress, ingress } = first;
    const ports = distinct(group.map((path) => portsText(path.protocol, path.ports))).join(", ");
    const target =
      service === undefined ? endText(to) : `${endText(to)} (behind Service ${service.name} port ${service.port})`;
    const addresses = distinct(group.map((path) => `${path.from.address} -> ${path.to.address}`)).join(", ");
    lines.push("", `  ${ports}${familiesText(group)}: ${verdict}`, `    ${endText(from)} -> ${target}  [${addresses}]`);
    if (network !== undefined) lines.push(`    ${"network".padEnd(8)} ${network.verdict}: ${network.message}`);
    lines.push(...decisionLines("egress", egress), ...decisionLines("ingress", ingress));
    lines.push(...changeLines(group));
  }
  if (answer.notes.length > 0) lines.push("", ...answer.notes.map((note) => `  note: ${note}`));
  return `${lines.join("\n")}\n`;
}

/** A row for people. */
export function aclText(acl: AclAnswer): string {
  const lines = [`ACL ${acl.uuid}: ${acl.meaning}`];
  const add = (name: string, value: string | number | undefined): void => {
    if (value !== undefined && value !== "") lines.push(`  ${name.padEnd(10)} ${value}`);
  };
  const { origin } = acl;
  add("policy", origin && `${origin.policy.kind} ${origin.policy.name}`);
  const rule =
    origin?.rule === undefined
      ? undefined
      : `${origin.rule}${origin.ruleName === undefined ? "" : ` "${origin.ruleName}"`}`;
  add("rule", rule);
  add("direction", acl.direction);
  add("action", acl.action);
  add("priority", `${acl.priority}${acl.tier === undefined ? "" : `, tier ${acl.tier}`} (flows: ${acl.flowPriority})`);
  add("match", acl.match);
  add("logged", acl.log ? `as ${acl.name ?? "a row without name"}` : undefined);
  add("owner", acl.owner);
  return `${lines.join("\n")}\n`;
}
