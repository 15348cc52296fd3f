/** ProviderNetworks: how this node is on physical networks beside the cluster's own way out. */
export { followProviderNetworks, type ProviderNetworkSource } from "./follow-provider-networks.ts";
export { createProviderNetworks, type ProviderNetworks } from "./provider-networks.ts";
