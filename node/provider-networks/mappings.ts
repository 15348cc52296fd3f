import { createHash } from "node:crypto";

/** In `Open_vSwitch.external_ids`: the provider networks that the agent has put into the two lists, parted by commas. */
export const ownNetworksKey = "ovenbird.io/provider-networks";
const bridgeMappingsKey = "ovn-bridge-mappings";
const macMappingsKey = "ovn-chassis-mac-mappings";

/** One that stands in a list `key:value,key:value`. */
interface Entry {
  readonly key: string;
  readonly text: string;
}

function entriesOf(list: string | undefined): readonly Entry[] {
  return (list ?? "")
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "")
    .map((text) => ({ key: text.slice(0, text.indexOf(":")), text }));
}

/** The bridge that a network is mapped to by somebody else. */
export function foreignMapping(externalIds: ReadonlyMap<string, string>, network: string): string | undefined {
  if (ownNetworks(externalIds).has(network)) return undefined;
  const found = entriesOf(externalIds.get(bridgeMappingsKey)).find(({ key }) => key === network);
  return found?.text.slice(network.length + 1);
}

const ownNetworks = (externalIds: ReadonlyMap<string, string>): ReadonlySet<string> =>
  new Set((externalIds.get(ownNetworksKey) ?? "").split(",").filter((name) => name !== ""));

/**
 * What to change in `external_ids` so that exactly these provider networks are mapped, beside those that others have put
 * there. Beside `ovn-bridge-mappings` each network has a hardware address of its own for this chassis
 * (`ovn-chassis-mac-mappings`, ovn-controller(8)): a router's own stands on all nodes, and switches outside would see it
 * jump from port to port.
 * @param wanted bridges by network
 */
export function mappingChanges(
  externalIds: ReadonlyMap<string, string>,
  systemId: string,
  wanted: ReadonlyMap<string, string>,
): { readonly insert: Readonly<Record<string, string>>; readonly remove: readonly string[] } {
  const own = ownNetworks(externalIds);
  const values: readonly (readonly [string, string])[] = [
    [bridgeMappingsKey, merged(externalIds.get(bridgeMappingsKey), own, wanted)],
    [macMappingsKey, merged(externalIds.get(macMappingsKey), own, withMacs(wanted, systemId))],
    [ownNetworksKey, [...wanted.keys()].sort().join(",")],
  ];
  return {
    insert: Object.fromEntries(values.filter(([key, value]) => value !== "" && value !== externalIds.get(key))),
    remove: values.filter(([key, value]) => value === "" && externalIds.has(key)).map(([key]) => key),
  };
}

const withMacs = (wanted: ReadonlyMap<string, string>, systemId: string): ReadonlyMap<string, string> =>
  new Map([...wanted.keys()].map((network) => [network, chassisMac(systemId, network)]));

/** Keeps others' entries and the order. */
function merged(list: string | undefined, own: ReadonlySet<string>, wanted: ReadonlyMap<string, string>): string {
  const missing = new Map(wanted);
  const kept = entriesOf(list).flatMap(({ key, text }) => {
    const value = missing.get(key);
    missing.delete(key);
    if (value !== undefined) return `${key}:${value}`;
    return own.has(key) ? [] : text;
  });
  return [...kept, ...[...missing].map(([key, value]) => `${key}:${value}`)].join(",");
}

/**
 * A provider network as this chassis has it in `ovn-bridge-mappings`, and as the localnet ports of its node's switches name it. No
 * other chassis has it: there what is for this node's pods takes the tunnel.
 */
export const mappedName = (network: string, systemId: string): string => `${network}.${systemId}`;

/** A locally administered address that follows from chassis and network. */
export function chassisMac(systemId: string, network: string): string {
  const hash = createHash("sha256").update(`${systemId}/${network}`).digest("hex");
  return `0a:eb:${(hash.slice(0, 8).match(/../g) ?? []).join(":")}`;
}
