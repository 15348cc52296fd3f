import type { AddressMatch, FlowMatch } from "../openflow/index.ts";

/** ovn-northd adds 1000 to the priority of an ACL, which is up to 32767; no other stage of a switch has flows in between. */
const policyPriorities = { least: 1_001, most: 33_767 } as const;

const register = { inputPort: 14, outputPort: 15 } as const;
const allBits = 0xffffffff;

/** More addresses than that count as all, more ports as all of the switch. */
const most = { addresses: 500, prefixes: 50, ports: 500 } as const;

/** @param priority of a flow @returns whether the flow may come from an ACL */
export const isOfPolicy = (priority: number): boolean =>
  priority >= policyPriorities.least && priority <= policyPriorities.most;

/** Some addresses; a bounded number, however many are added. */
interface Peers {
  all: boolean;
  /** Octets in hexadecimal. */
  readonly addresses: Set<string>;
  readonly prefixes: Map<string, AddressMatch>;
}

/** What of one switch has to be judged anew. */
interface Part {
  /** Something that names neither ports nor addresses. */
  loose: boolean;
  /** Of any port. */
  readonly anyPort: Peers;
  readonly ports: Map<number, Peers>;
}

/** Whose connections changes of policies may concern; holds a bounded amount, however much changes. */
export interface Changes {
  readonly isEmpty: boolean;
  /** Notes a flow that came, went or changed. */
  note(match: FlowMatch): void;
  noteAll(): void;
  merge(other: Changes): void;
  /** @param port OVN's key @returns false when no connection of the port can be concerned */
  mayConcern(datapath: number, port: number): boolean;
  /** @param peer the address of the other end */
  concerns(datapath: number, port: number, peer: Buffer): boolean;
  /** By key of the switch; undefined: all there is. */
  readonly parts: ReadonlyMap<number, Readonly<Part>> | undefined;
}

const noPeers = (): Peers => ({ all: false, addresses: new Set(), prefixes: new Map() });

function addPeer(peers: Peers, peer: AddressMatch | undefined): void {
  if (peer === undefined) peers.all = true;
  else if (peers.all) return;
  else if (peer.mask === undefined) peers.addresses.add(peer.bytes.toString("hex"));
  else peers.prefixes.set(`${peer.bytes.toString("hex")}/${peer.mask.toString("hex")}`, peer);
  bound(peers);
}

function addPeers(peers: Peers, { all, addresses, prefixes }: Peers): void {
  peers.all ||= all;
  for (const address of addresses) peers.addresses.add(address);
  for (const [key, prefix] of prefixes) peers.prefixes.set(key, prefix);
  bound(peers);
}

function bound(peers: Peers): void {
  peers.all ||= peers.addresses.size > most.addresses || peers.prefixes.size > most.prefixes;
  if (!peers.all) return;
  peers.addresses.clear();
  peers.prefixes.clear();
}

const isSome = ({ all, addresses, prefixes }: Peers): boolean => all || addresses.size + prefixes.size > 0;

function has({ all, addresses, prefixes }: Peers, address: Buffer): boolean {
  if (all || (addresses.size > 0 && addresses.has(address.toString("hex")))) return true;
  for (const prefix of prefixes.values()) if (isWithin(address, prefix)) return true;
  return false;
}

function isWithin(address: Buffer, { bytes, mask }: AddressMatch): boolean {
  if (address.length !== bytes.length || mask === undefined) return false;
  return address.every((octet, index) => (octet & (mask[index] ?? 0)) === bytes[index]);
}

export function createChanges(): Changes {
  const parts = new Map<number, Part>();
  let everything = false;

  function partOf(datapath: number): Part {
    const part = parts.get(datapath) ?? { loose: false, anyPort: noPeers(), ports: new Map<number, Peers>() };
    parts.set(datapath, part);
    return part;
  }

  function peersOf(part: Part, port: number): Peers {
    const known = part.ports.get(port);
    if (known !== undefined) return known;
    if (part.ports.size >= most.ports) {
      part.anyPort.all = true;
      return part.anyPort;
    }
    const peers = noPeers();
    part.ports.set(port, peers);
    return peers;
  }

  function noteAll(): void {
    everything = true;
    parts.clear();
  }

  /** Where ports are part of a conjunction, what is neither port nor address comes and goes with them. */
  const isWhole = ({ loose, anyPort, ports }: Part): boolean => anyPort.all || (loose && ports.size === 0);

  return {
    get isEmpty() {
      return !everything && parts.size === 0;
    },
    get parts() {
      return everything ? undefined : parts;
    },
    note({ metadata, registers, source, destination }) {
      if (everything || metadata === undefined) return;
      const part = partOf(metadata);
      const port = registers.get(register.outputPort) ?? registers.get(register.inputPort);
      const peer = source ?? destination;
      if (port?.mask === allBits) addPeer(peersOf(part, port.value), peer);
      else if (peer === undefined) part.loose = true;
      else addPeer(part.anyPort, peer);
    },
    noteAll,
    merge(other) {
      if (other.parts === undefined) noteAll();
      if (everything) return;
      for (const [datapath, { loose, anyPort, ports }] of other.parts ?? []) {
        const part = partOf(datapath);
        part.loose ||= loose;
        addPeers(part.anyPort, anyPort);
        for (const [port, peers] of ports) addPeers(peersOf(part, port), peers);
      }
    },
    mayConcern(datapath, port) {
      if (everything) return true;
      const part = parts.get(datapath);
      return part !== undefined && (isWhole(part) || isSome(part.anyPort) || part.ports.has(port));
    },
    concerns(datapath, port, peer) {
      if (everything) return true;
      const part = parts.get(datapath);
      if (part === undefined) return false;
      const ofPort = part.ports.get(port);
      return isWhole(part) || has(part.anyPort, peer) || (ofPort !== undefined && has(ofPort, peer));
    },
  };
}
