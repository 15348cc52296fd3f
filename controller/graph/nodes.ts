import type { Ipam } from "../ipam/ipam.ts";
import type { NetworkConfig } from "../ipam/network-config.ts";
import type { NodeRecord } from "../state/node.ts";
import type { BundleChange } from "../translate/desired.ts";
import { nodeBundle } from "../translate/node.ts";
import { nodeOwner } from "../translate/node-switch.ts";
import type { NodeTopology } from "../translate/node-topology.ts";
import { type PodPlacement, podPlacement, samePlacement } from "../translate/pod-port.ts";
import type { PolicyLayout } from "../translate/policy-layout.ts";
import type { HubTenancy } from "../translate/tenancy.ts";
import { nodeStateOf } from "./node-state.ts";
import type { ProblemLog } from "./problem-log.ts";

export interface NodeGraphOptions {
  readonly network: NetworkConfig;
  readonly layout: PolicyLayout;
  readonly ipam: Ipam;
  readonly problems: ProblemLog;
  /** What nodes have to know of subnets. */
  readonly hub: () => HubTenancy | undefined;
  /** Whether somebody holds addresses that follow from the node's number, beside those of its block. */
  readonly isHeld: (name: string) => boolean;
  /** Told during `flush` of a node whose topology came, changed or went. */
  readonly onTopology: (name: string, topology: NodeTopology | undefined) => void;
  /** Told during `flush` of a node whose pods may have to have other ports. */
  readonly onPlacement: (name: string) => void;
}

/** The part of the graph that gives nodes their blocks, and makes their bundles. */
export interface NodeGraph {
  /** The newest that were applied. */
  readonly records: ReadonlyMap<string, NodeRecord>;
  apply(key: string, node: NodeRecord | undefined): void;
  /** All nodes' rows may have to be others. */
  touchAll(): void;
  /** Gives up blocks of nodes that are gone. @param vacated nodes whose block lost a pod; `all` looks at every block that is held */
  release(vacated: Iterable<string>, all: boolean): void;
  /** What to commit for those that go and those that come. */
  flush(): { readonly gone: BundleChange[]; readonly changed: BundleChange[] };
  /** As of the last flush; absent for a node that has no rows. */
  topologyOf(name: string): NodeTopology | undefined;
  placementOf(name: string): PodPlacement | undefined;
}

interface PlacedNode {
  readonly topology: NodeTopology;
  readonly placement: PodPlacement;
  /** The topology as text, to see whether it changed. */
  readonly signature: string;
}

export function createNodeGraph(options: NodeGraphOptions): NodeGraph {
  const { network, layout, ipam, problems, hub, isHeld, onTopology, onPlacement } = options;
  const records = new Map<string, NodeRecord>();
  /** As of the last flush, those only that have rows. */
  const placed = new Map<string, PlacedNode>();
  const dirty = new Set<string>();
  /** Those of `dirty` whose rows are others although they themselves may be as they were. */
  const remade = new Set<string>();
  const waiting = new Set<string>();

  return {
    records,
    apply(key, node) {
      if (node === undefined) {
        records.delete(key);
        waiting.delete(key);
      } else records.set(key, node);
      dirty.add(key);
    },
    touchAll() {
      for (const name of placed.keys()) {
        dirty.add(name);
        remade.add(name);
      }
    },
    release(vacated, all) {
      const candidates = new Set([...vacated, ...dirty]);
      if (all) for (const [name] of ipam.nodeBlocks()) candidates.add(name);
      for (const name of candidates) {
        if (records.has(name) || isHeld(name) || !ipam.releaseNode(name)) continue;
        // A waiting node that can't be served keeps waiting, so one try for each block that became free is enough.
        const next = waiting.values().next().value;
        if (next === undefined) continue;
        waiting.delete(next);
        dirty.add(next);
      }
    },
    flush() {
      const gone: BundleChange[] = [];
      const changed: BundleChange[] = [];
      for (const name of dirty) {
        const node = records.get(name);
        const outcome = node && ipam.reserveNode(name);
        waiting.delete(name);
        if (node === undefined || outcome?.kind !== "reserved") {
          if (node !== undefined && outcome?.kind === "refused") {
            waiting.add(name);
            problems.set({ kind: "Node", key: name, uid: node.uid }, [outcome.problem]);
          } else problems.forget("Node", name);
          if (!placed.delete(name)) continue;
          onTopology(name, undefined);
          gone.push({ owner: nodeOwner(name), bundle: undefined });
          onPlacement(name);
          continue;
        }
        const state = nodeStateOf(network, node, outcome.value);
        const conflict = ipam.nodeProblem(name);
        const all = conflict === undefined ? state.problems : [conflict, ...state.problems];
        problems.set({ kind: "Node", key: name, uid: node.uid }, all);
        const { topology } = state;
        const before = placed.get(name);
        const signature = JSON.stringify(topology);
        if (before?.signature === signature) {
          if (remade.has(name))
            changed.push({ owner: nodeOwner(name), bundle: nodeBundle(network, topology, layout, hub()) });
          continue;
        }
        const placement = podPlacement(network, topology);
        const isPlacedAsBefore = before !== undefined && samePlacement(before.placement, placement);
        placed.set(name, { topology, signature, placement: isPlacedAsBefore ? before.placement : placement });
        onTopology(name, topology);
        changed.push({ owner: nodeOwner(name), bundle: nodeBundle(network, topology, layout, hub()) });
        if (!isPlacedAsBefore) onPlacement(name);
      }
      dirty.clear();
      remade.clear();
      return { gone, changed };
    },
    topologyOf: (name) => placed.get(name)?.topology,
    placementOf: (name) => placed.get(name)?.placement,
  };
}
