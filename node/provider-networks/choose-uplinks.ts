import type { Link } from "../netlink/index.ts";

const macPattern = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i;
/** Devices that bear another one's hardware address. */
const derivedKinds: ReadonlySet<string | undefined> = new Set([
  "vlan",
  "macvlan",
  "macvtap",
  "ipvlan",
  "bridge",
  "bond",
]);

/** Bridges' own devices, by datapath, which bear their uplink's; one may still be there when its bridge is no longer. */
const ownKinds: ReadonlySet<string | undefined> = new Set(["tun", "openvswitch"]);

export type Choice =
  | { readonly kind: "found"; readonly links: readonly Link[] }
  | { readonly kind: "missing"; readonly message: string };

/**
 * The first set of interfaces that a node has in full; one that is in use stays in use, though a better one may have come.
 * @param sets interfaces by name or hardware address
 * @param links all links of the node
 * @param isOurs whether a link is one of Open vSwitch's own, which bear their bridge's uplink's hardware address
 * @param inUse names of the interfaces that are the network's already
 */
export function chooseUplinks(
  sets: readonly (readonly string[])[],
  links: readonly Link[],
  isOurs: (name: string) => boolean,
  inUse: readonly string[] = [],
): Choice {
  const eligible = links.filter((link) => !link.loopback && !isOurs(link.name));
  const complete = sets.flatMap((set) => {
    const found = set.flatMap((wanted) => findLink(wanted, eligible) ?? []);
    const distinct = [...new Map(found.map((link) => [link.name, link])).values()];
    return distinct.length === set.length ? [distinct] : [];
  });
  const chosen = complete.find((found) => areNamed(found, inUse)) ?? complete[0];
  if (chosen !== undefined) return { kind: "found", links: chosen };
  const here = eligible.filter(({ kind }) => !derivedKinds.has(kind)).map(({ name, mac }) => `${name} (${mac})`);
  return {
    kind: "missing",
    message: `this node has none of the uplinks ${sets.map((set) => set.join("+")).join(", ")}; it has ${here.join(", ") || "no interface"}`,
  };
}

/** Whether these are the links of these names, in any order. */
export function areNamed(links: readonly Link[], names: readonly string[]): boolean {
  return links.length === names.length && links.every(({ name }) => names.includes(name));
}

function findLink(wanted: string, links: readonly Link[]): Link | undefined {
  if (!macPattern.test(wanted)) return links.find(({ name }) => name === wanted);
  const mac = wanted.toLowerCase();
  return links.find((link) => link.mac === mac && !derivedKinds.has(link.kind) && !ownKinds.has(link.kind));
}

/**
 * Devices that would fall silent with an uplink: what arrives for a VLAN's device, or for one like it, is kept from
 * the host's stack as everything else is.
 */
export function dependants(uplink: Link, links: readonly Link[]): readonly string[] {
  return links
    .filter(({ kind, peerIndex }) => kind !== "bridge" && derivedKinds.has(kind) && peerIndex === uplink.index)
    .map(({ name }) => name);
}
