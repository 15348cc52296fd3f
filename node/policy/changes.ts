import type { AddressMatch, FlowMatch } from "../openflow/index.ts";

/** ovn-northd adds 1000 to the priority of an ACL, which is up to 32767; no other stage of a switch has flows in between. */
const policyPriorities = { least: 1_001, most: 33_767 } as const;

/** More than that of one switch counts as all. */
const mostRemembered = { ports: 500, peers: 500, prefixes: 50 } as const;

const register = { inputPort: 14, outputPort: 15 } as const;

/** @param priority of a flow @returns whether the flow may come from an ACL */
export const isOfPolicy = (priority: number): boolean =>
  priority >= policyPriorities.least && priority <= policyPriorities.most;

/** What of one switch has to be judged anew. */
interface Part {
  all: boolean;
  /** Something that names neither ports nor addresses. */
  loose: boolean;
  readonly ports: Set<number>;
  /** Octets in hexadecimal. */
  readonly peers: Set<string>;
  readonly prefixes: Map<string, AddressMatch>;
}

/** Whose connections changes of policies may concern; holds a bounded amount, however much changes. */
export interface Changes {
  readonly isEmpty: boolean;
  /** Notes a flow that came, went or changed. */
  note(match: FlowMatch): void;
  noteAll(): void;
  merge(other: Changes): void;
  /** @returns `all` its connections, those with some `peers`, or `none` */
  concerns(datapath: number, port: number): "all" | "peers" | "none";
  isPeer(datapath: number, address: Buffer): boolean;
  /** Undefined: all there is. */
  readonly parts: ReadonlyMap<number, Readonly<Part>> | undefined;
}

export function createChanges(): Changes {
  const parts = new Map<number, Part>();
  let everything = false;

  function partOf(datapath: number): Part {
    const part = parts.get(datapath) ?? {
      all: false,
      loose: false,
      ports: new Set<number>(),
      peers: new Set<string>(),
      prefixes: new Map<string, AddressMatch>(),
    };
    parts.set(datapath, part);
    return part;
  }

  function bound(part: Part): void {
    part.all ||=
      part.ports.size > mostRemembered.ports ||
      part.peers.size > mostRemembered.peers ||
      part.prefixes.size > mostRemembered.prefixes;
    if (!part.all) return;
    part.ports.clear();
    part.peers.clear();
    part.prefixes.clear();
  }

  function noteAll(): void {
    everything = true;
    parts.clear();
  }

  return {
    get isEmpty() {
      return !everything && parts.size === 0;
    },
    get parts() {
      return everything ? undefined : parts;
    },
    note(match) {
      if (everything || match.metadata === undefined) return;
      const part = partOf(match.metadata);
      if (part.all) return;
      const port = match.registers.get(register.outputPort) ?? match.registers.get(register.inputPort);
      const peer = match.source ?? match.destination;
      if (port !== undefined && port.mask === 0xffffffff) part.ports.add(port.value);
      else if (peer === undefined) part.loose = true;
      else if (peer.mask === undefined) part.peers.add(peer.bytes.toString("hex"));
      else part.prefixes.set(`${peer.bytes.toString("hex")}/${peer.mask.toString("hex")}`, peer);
      bound(part);
    },
    noteAll,
    merge(other) {
      if (other.parts === undefined) noteAll();
      if (everything) return;
      for (const [datapath, { all, loose, ports, peers, prefixes }] of other.parts ?? []) {
        const part = partOf(datapath);
        part.all ||= all;
        part.loose ||= loose;
        for (const port of ports) part.ports.add(port);
        for (const peer of peers) part.peers.add(peer);
        for (const [key, prefix] of prefixes) part.prefixes.set(key, prefix);
        bound(part);
      }
    },
    concerns(datapath, port) {
      if (everything) return "all";
      const part = parts.get(datapath);
      if (part === undefined) return "none";
      // Where ports are part of a conjunction, what is neither port nor address comes and goes with them.
      if (part.all || part.ports.has(port) || (part.loose && part.ports.size === 0)) return "all";
      return part.peers.size + part.prefixes.size > 0 ? "peers" : "none";
    },
    isPeer(datapath, address) {
      const part = parts.get(datapath);
      if (part === undefined) return false;
      if (part.peers.has(address.toString("hex"))) return true;
      for (const prefix of part.prefixes.values()) if (isWithin(address, prefix)) return true;
      return false;
    },
  };
}

function isWithin(address: Buffer, { bytes, mask }: AddressMatch): boolean {
  if (address.length !== bytes.length || mask === undefined) return false;
  return address.every((octet, index) => (octet & (mask[index] ?? 0)) === bytes[index]);
}
