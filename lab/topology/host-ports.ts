/** Probe servers of the host outside the cluster listen here (TCP, UDP, SCTP). */
export const outsidePort = 8080;
export const outsideIdentity = "outside";

/** Probe servers in each node's own namespace listen here (TCP, UDP): a port below the ephemeral and the SNAT ranges. */
export const nodePort = 9099;
export const nodeIdentity = (name: string) => `node:${name}`;
