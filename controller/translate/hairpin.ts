import type { Family } from "../ipam/address.ts";

/**
 * The source that a connection gets whose client is also the backend chosen for it, so that the backend's answer comes
 * back to OVN. Link-local and unique local: nobody else has them. Network policies let them in.
 */
export const hairpinAddresses: Readonly<Record<Family, string>> = { 4: "169.254.0.5", 6: "fd69::5" };

/** As `Load_Balancer.options:hairpin_snat_ip` has them. */
export const hairpinSnatIp = `${hairpinAddresses[4]} ${hairpinAddresses[6]}`;
