import type { Family } from "../ipam/address.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import { type NodeTopology, nodeFamilies } from "../translate/node-topology.ts";
import type { ServiceNode, ServiceNodes } from "../translate/service-nodes.ts";

/** What changed about nodes, as far as it can matter to services. */
export interface NodeChanges {
  readonly nodes: ReadonlySet<string>;
  readonly addresses: ReadonlySet<string>;
  readonly zones: { readonly added: readonly string[]; readonly removed: readonly string[] };
  readonly slots: boolean;
}

/** The nodes as services see them, kept up by differences: no question and no change costs the number of nodes. */
export interface ServiceNodeIndex extends ServiceNodes {
  set(name: string, topology: NodeTopology | undefined): void;
  /** What changed since it was asked the last time. */
  takeChanges(): NodeChanges;
}

const familyOf = (address: string): Family => (address.includes(":") ? 6 : 4);

/** How many times each value is held. */
class Tally<T> {
  readonly counts = new Map<T, number>();

  /** @returns true when the value came to be, or is held no more */
  add(value: T, by: 1 | -1): boolean {
    const count = (this.counts.get(value) ?? 0) + by;
    if (count === 0) return this.counts.delete(value);
    this.counts.set(value, count);
    return by === 1 && count === 1;
  }
}

function same(one: ServiceNode | undefined, other: ServiceNode | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return (
    one.zone === other.zone &&
    one.hasGateway === other.hasGateway &&
    one.addresses.join() === other.addresses.join() &&
    one.management.join() === other.management.join()
  );
}

export function createServiceNodeIndex(
  network: NetworkConfig,
  isOfSubnet: (address: string) => boolean = () => false,
): ServiceNodeIndex {
  const nodes = new Map<string, ServiceNode>();
  /** Usually one node has an address; if several say so, the first by name does. */
  const byAddress = new Map<string, Set<string>>();
  const zoneTally = new Tally<string>();
  const addressTallies: Readonly<Record<Family, Tally<number>>> = { 4: new Tally(), 6: new Tally() };
  let zones: readonly string[] = [""];
  let slots: Readonly<Record<Family, number>> = { 4: 1, 6: 1 };
  let zonesAreOld = false;
  let touchedNodes = new Set<string>();
  let touchedAddresses = new Set<string>();

  function count(node: ServiceNode, by: 1 | -1): void {
    if (zoneTally.add(node.zone, by)) zonesAreOld = true;
    for (const family of [4, 6] as const) {
      addressTallies[family].add(node.addresses.filter((address) => familyOf(address) === family).length, by);
    }
  }

  function holdAddresses(name: string, node: ServiceNode): void {
    for (const address of node.addresses) {
      const holders = byAddress.get(address);
      if (holders === undefined) byAddress.set(address, new Set([name]));
      else holders.add(name);
      touchedAddresses.add(address);
    }
  }

  function dropAddresses(name: string, node: ServiceNode): void {
    for (const address of node.addresses) {
      const holders = byAddress.get(address);
      holders?.delete(name);
      if (holders?.size === 0) byAddress.delete(address);
      touchedAddresses.add(address);
    }
  }

  function nodeOf({ zone, addresses, block, chassis }: NodeTopology): ServiceNode {
    const management = nodeFamilies(network, block).map((family) => family.management);
    return { zone, addresses, management, hasGateway: chassis?.gateway !== undefined };
  }

  const mostAddresses = (family: Family): number => Math.max(1, ...addressTallies[family].counts.keys());

  return {
    get zones() {
      return zones;
    },
    get slots() {
      return slots;
    },
    node: (name) => nodes.get(name),
    isOfSubnet,
    managementOf(address) {
      const [name] = [...(byAddress.get(address) ?? [])].sort();
      const management = name === undefined ? undefined : nodes.get(name)?.management;
      return management?.find((own) => familyOf(own) === familyOf(address));
    },
    set(name, topology) {
      const before = nodes.get(name);
      const now = topology && nodeOf(topology);
      if (same(before, now)) return;
      touchedNodes.add(name);
      if (before !== undefined) {
        count(before, -1);
        dropAddresses(name, before);
        nodes.delete(name);
      }
      if (now !== undefined) {
        count(now, 1);
        holdAddresses(name, now);
        nodes.set(name, now);
      }
    },
    takeChanges() {
      const former = { zones, slots };
      if (zonesAreOld) {
        const present = [...new Set(["", ...zoneTally.counts.keys()])].sort();
        if (present.join() !== zones.join()) zones = present;
        zonesAreOld = false;
      }
      const wanted = { 4: mostAddresses(4), 6: mostAddresses(6) };
      if (wanted[4] !== slots[4] || wanted[6] !== slots[6]) slots = wanted;
      const changes = {
        nodes: touchedNodes,
        addresses: touchedAddresses,
        zones: {
          added: zones.filter((zone) => !former.zones.includes(zone)),
          removed: former.zones.filter((zone) => !zones.includes(zone)),
        },
        slots: slots !== former.slots,
      };
      touchedNodes = new Set();
      touchedAddresses = new Set();
      return changes;
    },
  };
}
