import type { Problem } from "../state/object-problem.ts";
import { formatAddress } from "./address.ts";
import { blockCidr, endOfPodOffsets, firstPodOffset } from "./block.ts";
import type { NetworkConfig } from "./network-config.ts";
import { createNumberPool, type NumberPool } from "./number-pool.ts";
import type { PodReservation } from "./reservation.ts";
import { type PodClaim, type RestoreInput, readClaims } from "./restore.ts";

export type Outcome<T> =
  | { readonly kind: "reserved"; readonly value: T }
  | { readonly kind: "refused"; readonly problem: Problem };

/** Who holds which addresses. It is the only judge: nothing is announced or written that isn't reserved here. */
export interface Ipam {
  /** Takes over what rows and annotations say was held; to be called before the first reservation. */
  restore(input: RestoreInput): void;
  /** The owners (`kind/key`) of the rows that were restored; told once, then forgotten. */
  takeRestoredOwners(): ReadonlySet<string>;
  /** The number of the node's block; the same one as long as the node or a pod on it holds it. */
  reserveNode(name: string): Outcome<number>;
  /** Gives the node's block back; false (and nothing done) while pods hold addresses in it. */
  releaseNode(name: string): boolean;
  blockOf(name: string): number | undefined;
  /** The name of the node that holds a block. */
  nodeOf(block: number): string | undefined;
  /** Why the node didn't keep the block that was announced for it. */
  nodeProblem(name: string): Problem | undefined;
  /** The pod's addresses in its node's block: those it has, those it had before a restart, or free ones. */
  reservePod(key: string, uid: string, nodeName: string): Outcome<PodReservation>;
  /** Frees what the pod holds. Returns the block in which something became free. */
  releasePod(key: string): number | undefined;
  podReservation(key: string): PodReservation | undefined;
  /** All that is held, for comparison and for metrics. */
  podReservations(): IterableIterator<[string, PodReservation]>;
  nodeBlocks(): IterableIterator<[string, number]>;
}

interface BlockPools {
  readonly ipv4: NumberPool | undefined;
  readonly ipv6: NumberPool | undefined;
}

interface Claim {
  readonly reservation: PodReservation;
  readonly nodeName: string;
}

export function createIpam(network: NetworkConfig): Ipam {
  const ipv4 = network.families.find(({ family }) => family === 4);
  const ipv6 = network.families.find(({ family }) => family === 6);
  const blockNumbers = createNumberPool(0, network.maxNodes);
  const blocks = new Map<number, BlockPools>();
  const nodes = new Map<string, number>();
  const nodeOfBlock = new Map<number, string>();
  const nodeProblems = new Map<string, Problem>();
  const pods = new Map<string, PodReservation>();
  /** Announced before a restart, but not granted: another pod holds it, or the node has another block now. */
  const denied = new Map<string, Claim>();
  const unusable = new Map<string, { readonly uid: string; readonly problem: Problem }>();

  let restoredOwners = new Set<string>();

  function poolsOf(block: number): BlockPools {
    const known = blocks.get(block);
    if (known !== undefined) return known;
    const pools = {
      ipv4: ipv4 && createNumberPool(firstPodOffset, endOfPodOffsets(ipv4)),
      ipv6: ipv6 && createNumberPool(firstPodOffset, endOfPodOffsets(ipv6)),
    };
    blocks.set(block, pools);
    return pools;
  }

  function grantNode(name: string, block: number): boolean {
    if (!blockNumbers.claim(block)) return false;
    nodes.set(name, block);
    nodeOfBlock.set(block, name);
    return true;
  }

  /** Who stands in the way of a claim, if anybody. Looks through all pods, but only where there is a conflict. */
  function holderOf({ block, ipv4Offset, ipv6Offset }: PodReservation): string | undefined {
    const pools = poolsOf(block);
    const isIpv4Taken = ipv4Offset !== undefined && (pools.ipv4?.isTaken(ipv4Offset) ?? false);
    const isIpv6Taken = ipv6Offset !== undefined && (pools.ipv6?.isTaken(ipv6Offset) ?? false);
    if (!isIpv4Taken && !isIpv6Taken) return undefined;
    for (const [key, held] of pods) {
      if (held.block !== block) continue;
      if ((isIpv4Taken && held.ipv4Offset === ipv4Offset) || (isIpv6Taken && held.ipv6Offset === ipv6Offset))
        return key;
    }
    return undefined;
  }

  function describe({ block, ipv4Offset, ipv6Offset }: PodReservation): string {
    const offsets = [
      [ipv4, ipv4Offset],
      [ipv6, ipv6Offset],
    ] as const;
    return offsets
      .flatMap(([family, offset]) =>
        family === undefined || offset === undefined
          ? []
          : [formatAddress({ family: family.family, value: blockCidr(family, block).base + BigInt(offset) })],
      )
      .join(" and ");
  }

  function grantPod(key: string, claim: PodReservation): Problem | undefined {
    const holder = holderOf(claim);
    if (holder !== undefined) {
      return { code: "ADDRESS_CONFLICT", message: `${describe(claim)} belongs to pod ${holder}; recreate one of them` };
    }
    const pools = poolsOf(claim.block);
    const fits = (pool: NumberPool | undefined, offset: number | undefined) =>
      offset === undefined || pool === undefined || pool.claim(offset);
    if (!fits(pools.ipv4, claim.ipv4Offset)) return outside(claim);
    if (!fits(pools.ipv6, claim.ipv6Offset)) {
      if (claim.ipv4Offset !== undefined) pools.ipv4?.release(claim.ipv4Offset);
      return outside(claim);
    }
    pods.set(key, claim);
    return undefined;
  }

  const outside = (claim: PodReservation): Problem => ({
    code: "ADDRESS_OUTSIDE_BLOCK",
    message: `${describe(claim)} isn't an address that pods of its node may have; recreate the pod`,
  });

  /** Grants a claim if the node has the claimed block; else it stays denied, and this says why. */
  function settle(key: string, { reservation, nodeName }: Claim): Problem | undefined {
    const problem = nodes.get(nodeName) === reservation.block ? grantPod(key, reservation) : outside(reservation);
    if (problem === undefined) denied.delete(key);
    else denied.set(key, { reservation, nodeName });
    return problem;
  }

  function allocate(key: string, uid: string, nodeName: string, block: number): Outcome<PodReservation> {
    const pools = poolsOf(block);
    const exhausted = [...(pools.ipv4?.free === 0 ? [ipv4] : []), ...(pools.ipv6?.free === 0 ? [ipv6] : [])].flatMap(
      (family) => (family === undefined ? [] : [blockCidr(family, block).text]),
    );
    if (exhausted.length > 0) {
      const message = `node ${nodeName} has no free address in ${exhausted.join(" and ")}`;
      return { kind: "refused", problem: { code: "BLOCK_EXHAUSTED", message } };
    }
    const value = { uid, block, ipv4Offset: pools.ipv4?.take(), ipv6Offset: pools.ipv6?.take() };
    pods.set(key, value);
    return { kind: "reserved", value };
  }

  function releasePod(key: string): number | undefined {
    denied.delete(key);
    unusable.delete(key);
    const held = pods.get(key);
    if (held === undefined) return undefined;
    pods.delete(key);
    const pools = poolsOf(held.block);
    if (held.ipv4Offset !== undefined) pools.ipv4?.release(held.ipv4Offset);
    if (held.ipv6Offset !== undefined) pools.ipv6?.release(held.ipv6Offset);
    return held.block;
  }

  function isInUse(block: number): boolean {
    const pools = blocks.get(block);
    return (pools?.ipv4?.used ?? 0) > 0 || (pools?.ipv6?.used ?? 0) > 0;
  }

  return {
    restore(input) {
      const claims = readClaims(network, input);
      restoredOwners = new Set(input.rows.map(({ owner }) => owner.split("#", 1)[0] ?? ""));
      for (const { name, block } of claims.nodes) {
        if (grantNode(name, block)) continue;
        const message = `the announced block ${block} belongs to node ${nodeOfBlock.get(block)}`;
        nodeProblems.set(name, { code: "NODE_BLOCK_CONFLICT", message });
      }
      for (const { key, nodeName, reservation } of claims.pods as readonly PodClaim[]) {
        settle(key, { reservation, nodeName });
      }
      for (const { key, uid } of input.pods) {
        const problem = claims.problems.get(key);
        if (problem !== undefined) unusable.set(key, { uid, problem });
      }
      for (const [position, reservation] of claims.abandoned.entries()) {
        const placeholder = `abandoned ${position}`;
        if (nodeOfBlock.get(reservation.block) === undefined) continue;
        if (grantPod(placeholder, reservation) === undefined) releasePod(placeholder);
      }
    },
    takeRestoredOwners() {
      const owners = restoredOwners;
      restoredOwners = new Set();
      return owners;
    },
    reserveNode(name) {
      const known = nodes.get(name);
      if (known !== undefined) return { kind: "reserved", value: known };
      const block = blockNumbers.take();
      if (block === undefined) {
        const message = `all ${network.maxNodes} blocks of the cluster's networks are taken`;
        return { kind: "refused", problem: { code: "NODE_BLOCKS_EXHAUSTED", message } };
      }
      nodes.set(name, block);
      nodeOfBlock.set(block, name);
      return { kind: "reserved", value: block };
    },
    releaseNode(name) {
      const block = nodes.get(name);
      nodeProblems.delete(name);
      if (block === undefined) return true;
      if (isInUse(block)) return false;
      nodes.delete(name);
      nodeOfBlock.delete(block);
      blocks.delete(block);
      blockNumbers.release(block);
      return true;
    },
    blockOf: (name) => nodes.get(name),
    nodeOf: (block) => nodeOfBlock.get(block),
    nodeProblem: (name) => nodeProblems.get(name),
    reservePod(key, uid, nodeName) {
      const block = nodes.get(nodeName);
      const held = pods.get(key);
      if (held !== undefined && held.uid === uid && held.block === block) return { kind: "reserved", value: held };
      const claim = denied.get(key);
      const refused = unusable.get(key);
      if (held === undefined && claim?.reservation.uid === uid) {
        const problem = settle(key, claim);
        return problem === undefined ? { kind: "reserved", value: claim.reservation } : { kind: "refused", problem };
      }
      if (held === undefined && refused?.uid === uid) return { kind: "refused", problem: refused.problem };
      releasePod(key);
      if (block === undefined) {
        const message = `node ${nodeName} has no block of the cluster's networks`;
        return { kind: "refused", problem: { code: "NODE_BLOCKS_EXHAUSTED", message } };
      }
      return allocate(key, uid, nodeName, block);
    },
    releasePod,
    podReservation: (key) => pods.get(key),
    podReservations: () => pods.entries(),
    nodeBlocks: () => nodes.entries(),
  };
}
