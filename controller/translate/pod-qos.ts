import type { PodQos } from "../state/pod-network-request.ts";
import type { DesiredRow, Membership, Owner } from "./desired.ts";
import { desiredRow } from "./owner.ts";

const priority = 1000;
const none: readonly never[] = Object.freeze([]);

/**
 * What a pod's annotations ask for, as rows of its switch: rates in kbit/s, in either direction, and the DSCP of what it sends.
 * `burst` stays unset: with one, TCP falls to half of the rate.
 * @param port the pod's Logical_Switch_Port, by name
 */
export function podQosRows(owner: Owner, port: string, qos: PodQos | undefined): readonly DesiredRow[] {
  if (qos === undefined) return none;
  const { ingressKbps, egressKbps, dscp } = qos;
  const rows: DesiredRow[] = [];
  if (ingressKbps !== undefined) {
    rows.push(
      desiredRow("QoS", owner, "qos.ingress", {
        priority,
        direction: "to-lport",
        match: `outport == "${port}"`,
        bandwidth: { rate: ingressKbps },
      }),
    );
  }
  if (egressKbps !== undefined) {
    rows.push(
      desiredRow("QoS", owner, "qos.egress", {
        priority,
        direction: "from-lport",
        match: `inport == "${port}"`,
        bandwidth: { rate: egressKbps },
      }),
    );
  }
  if (dscp !== undefined) {
    rows.push(
      desiredRow("QoS", owner, "qos.dscp", {
        priority,
        direction: "from-lport",
        match: `inport == "${port}" && ip`,
        action: { dscp },
      }),
    );
  }
  return rows;
}

/** The rows' places on the pod's switch. */
export function podQosMemberships(
  switchUuid: string,
  owner: Owner,
  port: string,
  qos: PodQos | undefined,
): readonly Membership[] {
  if (qos === undefined) return none;
  return podQosRows(owner, port, qos).map(({ uuid }) => ({
    table: "Logical_Switch",
    row: switchUuid,
    column: "qos_rules",
    member: uuid,
  }));
}
