import { type FlowUpdate, field, monitorFlag, type OpenFlowConnection } from "../openflow/index.ts";
import { type FlowPort, type LocalPort, zoneOf } from "./local-ports.ts";

const allChanges = monitorFlag.add | monitorFlag.removed | monitorFlag.modify;

/** Numbers of the monitors; the switch tells of a flow once, however many of them it concerns. */
export const monitors = {
  /** What comes in, by port, with what is there already. */
  ports: { id: 1, table: 0, flags: monitorFlag.initial | monitorFlag.instructions | allChanges },
  /** Everything else: which tables have policies differs between versions of OVN. */
  flows: { id: 2, flags: allChanges },
} as const;

const lookupId = 3;
const outputPortRegister = 15;

/** The flows of one logical output port, whichever table they are in, without those that are only told as changes. */
export function askForOutputPort(openFlow: OpenFlowConnection, { datapath, key }: FlowPort): void {
  openFlow.follow({
    id: lookupId,
    fields: [field.metadata(datapath), field.register(outputPortRegister, key)],
    flags: monitorFlag.initial | monitorFlag.instructions | allChanges,
  });
  openFlow.unfollow(lookupId);
}

/**
 * Finds the table in which the way of a packet for a port of this node begins, once the port's zone is set: where
 * ovn-controller's flow for the local output of that port goes on to.
 */
export function egressTableOf(update: FlowUpdate, { zone }: LocalPort): number | undefined {
  if (update.event !== "initial" || update.match().fields !== 2) return undefined;
  const { sets, resubmitTable } = update.actions();
  return zoneOf(sets) === zone ? resubmitTable : undefined;
}
