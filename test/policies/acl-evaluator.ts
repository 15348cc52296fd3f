import {
  addressTest,
  type LogicalPacket,
  type Match,
  type MatchContext,
  type PortName,
  parseMatch,
} from "./acl-match.ts";

/**
 * What northbound rows let through, as ovn-northd makes flows of them (ovn-nb(5) "ACL", "Port_Group", "Address_Set"), without
 * a database, flows or packets.
 */
export interface AclEvaluator {
  /** Whether a connection can be begun and answered. */
  judge(connection: Connection): AclVerdict;
}

export interface AclVerdict {
  readonly allowed: boolean;
  /** What was decided at which place, in order; ends with a drop where something was dropped. */
  readonly steps: readonly string[];
}

/** A row as it is to be, with its set columns filled. */
export interface Row {
  readonly table: string;
  readonly uuid: string;
  readonly owner: string;
  readonly columns: Readonly<Record<string, unknown>>;
}

/** One end: where it is attached, and its address. Without a port it is beyond the switch's router. */
export interface End {
  /** The port's name. */
  readonly port: string | undefined;
  readonly address: string;
}

export interface Connection {
  readonly from: End;
  readonly to: End;
  readonly protocol: LogicalPacket["protocol"];
  readonly port: number | undefined;
  /** What a connection of a port to itself, by a service, has as its source once it has been turned round. */
  readonly hairpin?: string;
}

interface Acl {
  readonly uuid: string;
  readonly owner: string;
  readonly direction: string;
  readonly priority: number;
  readonly tier: number;
  readonly action: string;
  readonly match: Match;
  readonly text: string;
  readonly isAfterBalancing: boolean;
}

interface Switch {
  readonly name: string;
  readonly acls: readonly Acl[];
  /** Whether connections are tracked for ACLs: only if one of them is allow-related. */
  readonly isStateful: boolean;
  readonly routerPort: PortName;
}

interface Hop {
  readonly at: Switch;
  readonly inport: PortName;
  readonly outport: PortName;
}

const noPort: PortName = { uuid: "", name: "" };
const clientPort = 45_678;
const echo = { ipv4: [8, 0], ipv6: [128, 129] } as const;

const list = (value: unknown): readonly string[] =>
  value === undefined ? [] : typeof value === "string" ? [value] : [...(value as Iterable<unknown>)].map(String);

function entry(value: unknown, key: string): string | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  return value instanceof Map ? (value.get(key) as string | undefined) : (value as Record<string, string>)[key];
}

/** The same match text means the same whoever has it. */
const parsed = new Map<string, Match>();

function matchOf(text: string): Match {
  const known = parsed.get(text) ?? parseMatch(text);
  if (parsed.size > 50_000) parsed.clear();
  parsed.set(text, known);
  return known;
}

export function createAclEvaluator(rows: Iterable<Row>): AclEvaluator {
  const byTable = new Map<string, Row[]>();
  for (const row of rows) {
    const ofTable = byTable.get(row.table) ?? [];
    byTable.set(row.table, ofTable);
    ofTable.push(row);
  }
  const table = (name: string) => byTable.get(name) ?? [];

  const acls = new Map(
    table("ACL").map(({ uuid, owner, columns }): [string, Acl] => [
      uuid,
      {
        ...{ uuid, owner, text: String(columns.match), match: matchOf(String(columns.match)) },
        direction: String(columns.direction),
        priority: Number(columns.priority),
        tier: Number(columns.tier ?? 0),
        action: String(columns.action),
        isAfterBalancing: entry(columns.options, "apply-after-lb") === "true",
      },
    ]),
  );
  const groups = new Map<string, { readonly ports: ReadonlySet<string>; readonly acls: readonly string[] }>();
  for (const { columns } of table("Port_Group")) {
    const name = String(columns.name);
    if (groups.has(name)) throw new Error(`two port groups are called ${name}`);
    groups.set(name, { ports: new Set(list(columns.ports)), acls: list(columns.acls) });
  }
  const sets = new Map<string, (address: string) => boolean>();
  for (const { columns } of table("Address_Set")) {
    const name = String(columns.name);
    if (sets.has(name)) throw new Error(`two address sets are called ${name}`);
    sets.set(name, addressTest(list(columns.addresses)));
  }
  const chassis = new Map(
    table("Logical_Switch_Port").map(({ columns }) => [
      String(columns.name),
      entry(columns.options, "requested-chassis"),
    ]),
  );
  const contextAt = (port: PortName): MatchContext => ({
    inGroup(name, port) {
      const group = groups.get(name);
      if (group === undefined) throw new Error(`there is no port group ${name}`);
      return group.ports.has(port.uuid);
    },
    inSet(name, address) {
      const set = sets.get(name);
      if (set === undefined) throw new Error(`there is no address set ${name}`);
      return set(address);
    },
    // What goes to a pod is judged where that is.
    isResident(name) {
      const own = chassis.get(name);
      if (own === undefined) throw new Error(`there is no port ${name} with a chassis`);
      return chassis.get(port.name) === own;
    },
  });

  const ports = new Map<string, { readonly port: PortName; readonly at: Switch }>();
  for (const { columns } of table("Logical_Switch")) {
    const members = list(columns.ports);
    const own = new Set(members);
    const known = table("Logical_Switch_Port").filter(({ uuid }) => own.has(uuid));
    const router = known.find(({ columns: { type } }) => type === "router");
    // A group's ACLs stand on every switch that has one of its ports.
    const uuids = new Set(list(columns.acls));
    for (const group of groups.values()) {
      if (members.some((member) => group.ports.has(member))) for (const uuid of group.acls) uuids.add(uuid);
    }
    const standing = [...uuids].map((uuid) => {
      const acl = acls.get(uuid);
      if (acl === undefined) throw new Error(`${uuid} is no ACL`);
      return acl;
    });
    const at: Switch = {
      name: String(columns.name),
      acls: standing.sort((a, b) => a.tier - b.tier || b.priority - a.priority),
      isStateful: standing.some(({ action }) => action === "allow-related"),
      routerPort: router === undefined ? noPort : { uuid: router.uuid, name: String(router.columns.name) },
    };
    for (const { uuid, columns: of } of known) {
      const name = String(of.name);
      ports.set(name, { port: { uuid, name }, at });
    }
  }

  function hopsOf(from: End, to: End): Hop[] {
    const find = (end: End) => {
      const found = end.port === undefined ? undefined : ports.get(end.port);
      if (end.port !== undefined && found === undefined) throw new Error(`no switch has a port ${end.port}`);
      return found;
    };
    const source = find(from);
    const destination = find(to);
    if (source !== undefined && source.at === destination?.at)
      return [{ at: source.at, inport: source.port, outport: destination.port }];
    return [
      ...(source === undefined ? [] : [{ at: source.at, inport: source.port, outport: source.at.routerPort }]),
      ...(destination === undefined
        ? []
        : [{ at: destination.at, inport: destination.at.routerPort, outport: destination.port }]),
    ];
  }

  interface Decision {
    readonly isDropped: boolean;
    readonly text: string;
  }

  /** What the ACLs of one stage of a switch decide; in each tier the one with the highest priority that matches. */
  function stage(at: Switch, direction: string, isAfterBalancing: boolean, packet: LogicalPacket): Decision {
    const where = `${at.name} ${direction}${isAfterBalancing ? " after balancing" : ""}`;
    const context = contextAt(direction === "to-lport" ? packet.outport : packet.inport);
    const candidates = at.acls.filter(
      (acl) => acl.direction === direction && acl.isAfterBalancing === isAfterBalancing,
    );
    let best: Acl | undefined;
    for (const tier of new Set(candidates.map((acl) => acl.tier))) {
      const matching = candidates.filter((acl) => acl.tier === tier && acl.match(packet, context));
      best = matching[0];
      for (const acl of matching) {
        if (best !== undefined && acl.priority === best.priority && outcome(acl) !== outcome(best))
          throw new Error(`${where}: ${textOf(best)} and ${textOf(acl)} have one priority and match both`);
      }
      if (best !== undefined && outcome(best) !== "pass") break;
    }
    if (best === undefined) return { isDropped: false, text: `${where}: no ACL matches` };
    return { isDropped: outcome(best) === "drop", text: `${where}: ${textOf(best)}` };
  }

  function outcome({ action }: Acl): "pass" | "allow" | "drop" {
    if (action === "drop" || action === "reject") return "drop";
    if (action === "pass") return "pass";
    if (action === "allow" || action === "allow-related" || action === "allow-stateless") return "allow";
    throw new Error(`${action} is no action of an ACL`);
  }

  const textOf = (acl: Acl) => `${acl.action} ${acl.tier}/${acl.priority} ${acl.owner} (${acl.text})`;

  /**
   * Whether the packet is kept from connection tracking: any stateless ACL that matches before anything is known of its
   * connection does that, whatever its priority.
   */
  function isStateless(hop: Hop, direction: string, packet: LogicalPacket): boolean {
    const untracked = { ...packet, ct: new Set<string>() };
    const context = contextAt(direction === "to-lport" ? packet.outport : packet.inport);
    return hop.at.acls.some(
      (acl) => acl.direction === direction && acl.action === "allow-stateless" && acl.match(untracked, context),
    );
  }

  /** @param tracks by place: whether connection tracking has seen the other direction there */
  function pass(
    hops: readonly Hop[],
    packet: Omit<LogicalPacket, "inport" | "outport">,
    hairpin: string | undefined,
    steps: string[],
    isKnown: (place: string) => boolean,
    seen: (place: string) => void,
  ): boolean {
    for (const hop of hops) {
      for (const [direction, port] of [
        ["from-lport", hop.inport],
        ["to-lport", hop.outport],
      ] as const) {
        const place = `${hop.at.name} ${port.uuid}`;
        const source = direction === "to-lport" ? (hairpin ?? packet.source) : packet.source;
        const isTurnedRound = direction === "to-lport" && hairpin !== undefined;
        const here: LogicalPacket = { ...packet, source, inport: hop.inport, outport: hop.outport, isTurnedRound };
        // Router ports are left out of connection tracking.
        const isTracked = hop.at.isStateful && port !== hop.at.routerPort && !isStateless(hop, direction, here);
        // The userspace datapath of OVS 3.1 sees no SCTP ports: what it takes for a reply may belong to another association.
        if (isTracked && packet.protocol !== "sctp" && isKnown(place)) {
          steps.push(`${hop.at.name} ${direction}: a reply`);
          continue;
        }
        const known = isTracked ? here : { ...here, ct: new Set<string>() };
        // What goes back to where it came from leaves the stages of from-lport before those after load balancing.
        const stages = direction === "from-lport" && hairpin === undefined ? [false, true] : [false];
        for (const isAfterBalancing of stages) {
          const { isDropped, text } = stage(hop.at, direction, isAfterBalancing, known);
          steps.push(text);
          if (isDropped) return false;
        }
        if (isTracked) seen(place);
      }
    }
    return true;
  }

  return {
    judge({ from, to, protocol, port = 0, hairpin }) {
      const steps: string[] = [];
      const family: LogicalPacket["family"] = from.address.includes(":") ? "ipv6" : "ipv4";
      const hops = hopsOf(from, to);
      const tracked = new Set<string>();
      const there = {
        ...{ family, source: from.address, destination: to.address, protocol, icmpType: echo[family][0] },
        ...{ sourcePort: clientPort, destinationPort: port, ct: new Set(["new", "trk"]) },
      };
      if (
        !pass(
          hops,
          there,
          hairpin,
          steps,
          () => false,
          (place) => tracked.add(place),
        )
      )
        return { allowed: false, steps };
      const back = {
        ...{ family, source: to.address, destination: from.address, protocol, icmpType: echo[family][1] },
        ...{ sourcePort: port, destinationPort: clientPort, ct: new Set(["new", "trk"]) },
      };
      steps.push("and back");
      const returning = hops.map(({ at, inport, outport }) => ({ at, inport: outport, outport: inport })).reverse();
      const allowed = pass(
        returning,
        back,
        undefined,
        steps,
        (place) => tracked.has(place),
        () => undefined,
      );
      return { allowed, steps };
    },
  };
}
