import { type Address, type Cidr, formatAddress } from "./address.ts";

/**
 * The infrastructure networks: addresses that are one of a kind in the whole cluster, for pods whose own address another
 * tenant may use as well. A number stands for an address of each family: the same offset in each of the networks.
 *
 *   0 … 65535        links between the default tenant's router and others: four numbers for each, tenants' first,
 *                    then those of routers with addresses of their own on the nodes' network
 *   65536 …          slices of 64 numbers, each of one switch; its router has the first usable one, pods the others
 */
export const firstSlice = 1024;
export const sliceSize = 64;
export const sliceBits = 6;
export const mostTenants = 8192;
/** Routers with addresses of their own on the nodes' network: their links follow the tenants'. */
export const mostOutlets = 8192;

/** The slice that a number lies in. */
export const sliceOf = (number: number): number => Math.floor(number / sliceSize);

/** The numbers of a tenant's link: of the default router's end and of the tenant's. */
export function linkNumbers(tenant: number): { readonly hub: number; readonly tenant: number } {
  return { hub: tenant * 4 + 1, tenant: tenant * 4 + 2 };
}

/** The router's number in a slice: 0 names the network. */
export const routerNumber = (slice: number): number => slice * sliceSize + 1;

/** The numbers that pods may have in a slice; both ends belong to it. The last one would be IPv4's broadcast address. */
export function podNumbers(slice: number): { readonly first: number; readonly last: number } {
  return { first: slice * sliceSize + 2, last: slice * sliceSize + sliceSize - 2 };
}

/** @param networks one per family, IPv4 first @returns the address of each family */
export function infrastructureAddresses(networks: readonly Cidr[], number: number): readonly string[] {
  return networks.map(({ family, base }) => {
    const address: Address = { family, value: base + BigInt(number) };
    return formatAddress(address);
  });
}

/** `100.81.0.0/26`, `fd97::1:0/122` */
export function sliceCidrs(networks: readonly Cidr[], slice: number): readonly string[] {
  return infrastructureAddresses(networks, slice * sliceSize).map(
    (address) => `${address}/${(address.includes(":") ? 128 : 32) - sliceBits}`,
  );
}
