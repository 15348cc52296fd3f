import { createHash } from "node:crypto";

/** IFNAMSIZ without the closing zero. */
const mostCharacters = 15;
/** What are no names of provider networks' bridges: `br-int` and `br-ex` are others'. */
const taken: ReadonlySet<string> = new Set(["int", "ex"]);

function deviceName(prefix: string, network: string): string {
  const plain = `${prefix}-${network}`;
  if (plain.length <= mostCharacters && !taken.has(network)) return plain;
  const hash = createHash("sha256").update(network).digest("hex");
  return `${prefix}-${hash.slice(0, mostCharacters - prefix.length - 1)}`;
}

/** The bridge of a provider network: `br-<name>`, or a hash where that is too long for a device, or another's. */
export const bridgeName = (network: string): string => deviceName("br", network);

/** The port of its bonded uplinks, which is no device. */
export const bondName = (network: string): string => deviceName("bond", network);

/** How a bridge says whose it is, in its `external_ids`. */
export const ownerKey = "ovenbird.io/owner";
const ownerPrefix = "ProviderNetwork/";
export const ownerOf = (network: string): string => `${ownerPrefix}${network}`;

/** @returns the provider network that a bridge was made for */
export function networkOfBridge(externalIds: ReadonlyMap<string, string>): string | undefined {
  const owner = externalIds.get(ownerKey);
  return owner?.startsWith(ownerPrefix) ? owner.slice(ownerPrefix.length) : undefined;
}
