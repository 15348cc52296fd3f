import type { ServiceRecord } from "../state/service.ts";

/**
 * What flows are told apart by, as a sorted set. Always named: without `selection_fields` OVN 23.03 hashes in the
 * datapath, which costs a recirculation, and the userspace datapath has only six.
 */
const perConnection: readonly string[] = Object.freeze(["ip_dst", "ip_src", "tp_dst", "tp_src"]);
const perClient: readonly string[] = Object.freeze(["ip_src"]);

/**
 * `sessionAffinity: ClientIP`: a client's flows all have one hash, so they stay with one backend as long as it is
 * there. `options:affinity_timeout` isn't set: OVN 23.03 loses the first connection of each session with it, and the
 * hash keeps clients where they are beyond any timeout.
 */
export function affinitySelection({ affinitySeconds }: ServiceRecord): readonly string[] {
  return affinitySeconds === undefined ? perConnection : perClient;
}
