/**
 * Who answers for an address. Each node reckons for itself from what it knows of the others; nodes that know the same come
 * to the same result, and what a node leaves is spread over the rest, while nothing else moves (rendezvous hashing).
 */

/** How a candidate stands at a moment. */
export type Standing = "settled" | "joining" | "gone";

/** So many nodes at most stand for the addresses of one pool, however many there are: each tells all the others that it lives. */
export const mostCandidates = 16;

/** FNV-1a, then MurmurHash3's finalizer, since FNV alone hardly spreads the last letters. A number of 32 bits. */
export function rendezvousWeight(subject: string, node: string): number {
  let hash = 0x811c9dc5;
  for (const letter of `${subject}\0${node}`) {
    hash ^= letter.codePointAt(0) ?? 0;
    hash = Math.imul(hash, 0x01000193);
  }
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** The nodes, the one with the greatest weight first; equal weights by name. */
function ranked(subject: string, nodes: readonly string[]): readonly string[] {
  return nodes
    .map((node) => ({ node, weight: rendezvousWeight(subject, node) }))
    .sort((a, b) => b.weight - a.weight || (a.node < b.node ? -1 : 1))
    .map(({ node }) => node);
}

/** Of the nodes that could announce a pool's address those that stand for it: the same few for the whole pool. */
export function candidatesOf(pool: string, eligible: readonly string[]): readonly string[] {
  return eligible.length <= mostCandidates ? eligible : ranked(pool, eligible).slice(0, mostCandidates);
}

/**
 * The node that announces an address: of the settled candidates the one with the greatest weight; where none is settled,
 * of those that are joining.
 * @returns undefined when no candidate is there
 */
export function electAnnouncer(
  address: string,
  candidates: readonly string[],
  standingOf: (node: string) => Standing,
): string | undefined {
  const there = (standing: Standing) => candidates.filter((node) => standingOf(node) === standing);
  const settled = there("settled");
  return ranked(address, settled.length > 0 ? settled : there("joining"))[0];
}
