import { randomUUID } from "node:crypto";
import type { OpenVswitch } from "@ovenbird/ovsdb-schemas";
import { type Client, type OperationResult, OvsdbError, type Replica } from "ovsdb-client-ts";
import type { Logger } from "../logger.ts";
import { BindingError } from "./error.ts";
import { type BoundPort, boundPortOf, externalIdsOf, isInstalled, type PodPort } from "./pod-port.ts";

export interface PortBindingOptions {
  readonly client: Client<OpenVswitch>;
  /** Must hold Bridge (name, ports), Port (name, interfaces) and Interface (name, external_ids, error, ofport). */
  readonly replica: Replica<OpenVswitch>;
  readonly logger: Logger;
  /** Default `br-int`. */
  readonly integrationBridge?: string;
}

/** The pods' ports in the local Open vSwitch database; all there is to know of them stands there. */
export interface PortBinding {
  /**
   * Adds a pod's port in one transaction (without a connection, when there is one again), which also removes older ports of ours under the same name or logical port.
   * @returns the older ports, whose devices are the caller's to remove
   * @throws OvsdbError; BindingError NO_BRIDGE
   */
  attach(port: PodPort, options?: { readonly signal?: AbortSignal }): Promise<readonly BoundPort[]>;
  /**
   * Waits until ovn-controller has installed the port's flows; the answer comes as a monitor update.
   * @throws BindingError PORT_ERROR, PORT_REMOVED; the signal's reason
   */
  installed(hostDevice: string, signal: AbortSignal): Promise<void>;
  /**
   * Removes ports in one transaction; names that have no port of ours are passed over. A removal that can't be sent, or
   * whose outcome is unknown, is made up for when the connection is back.
   * @throws OvsdbError
   */
  detach(hostDevices: readonly string[], options?: { readonly signal?: AbortSignal }): Promise<void>;
  find(hostDevice: string): BoundPort | undefined;
  /** All ports of ours. */
  list(): readonly BoundPort[];
  close(): void;
}

interface Waiter {
  readonly hostDevice: string;
  settle(): void;
  fail(error: Error): void;
}

export function createPortBinding(options: PortBindingOptions): PortBinding {
  const { client, replica, logger, integrationBridge = "br-int" } = options;
  const bridges = replica.table("Bridge");
  const ports = replica.table("Port");
  const interfaces = replica.table("Interface");
  /** By the device's name, which is unique in the Interface table. */
  const waiters = new Map<string, Set<Waiter>>();
  /** Ports whose insertion was sent and not answered: they may come into being any time, by device. */
  const unanswered = new Map<string, string>();
  /** Removals that could not be made; at most one per device. */
  const owed = new Set<string>();

  const unsubscribe = replica.subscribe((changes) => {
    if (waiters.size === 0) return;
    for (const change of changes) {
      if (change.table !== "Interface") continue;
      const waiting = waiters.get(change.row.name);
      if (waiting === undefined) continue;
      if (change.kind === "delete") {
        // A port that took the name in the same transaction has its own insert in these changes.
        if (rowOf(change.row.name) !== undefined) continue;
        for (const waiter of [...waiting]) waiter.fail(removed(change.row.name));
      } else if (change.row.error !== undefined) {
        for (const waiter of [...waiting]) waiter.fail(refused(change.row.name, change.row.error));
      } else if (isInstalled(change.row)) for (const waiter of [...waiting]) waiter.settle();
    }
  });

  const unlisten = client.on((event) => {
    if (event.kind !== "connected" || owed.size === 0) return;
    const devices = [...owed];
    detach(devices).then(
      () => logger.info({ devices }, "ports removed that could not be while the database was away"),
      (error: unknown) => logger.warn({ devices, err: error }, "ports that should be gone could not be removed"),
    );
  });

  function rowOf(hostDevice: string) {
    for (const row of interfaces.values()) if (row.name === hostDevice) return row;
    return undefined;
  }

  function list(): readonly BoundPort[] {
    return [...interfaces.values()].flatMap((row) => boundPortOf(row) ?? []);
  }

  function find(hostDevice: string): BoundPort | undefined {
    const row = rowOf(hostDevice);
    return row === undefined ? undefined : boundPortOf(row);
  }

  function bridge() {
    for (const row of bridges.values()) if (row.name === integrationBridge) return row;
    throw new BindingError("NO_BRIDGE", `the bridge ${integrationBridge} does not exist`);
  }

  /** Ports whose interfaces are all among these; ours have one each. */
  function portUuids(interfaceUuids: ReadonlySet<string>): readonly string[] {
    return [...ports.values()]
      .filter((port) => port.interfaces.size > 0 && [...port.interfaces].every((uuid) => interfaceUuids.has(uuid)))
      .map((port) => port._uuid);
  }

  /** A connection that is lost for a moment is waited for, as long as the caller has patience. */
  async function connected(settings: { readonly signal?: AbortSignal }): Promise<void> {
    if (!replica.synced) await client.ready(settings);
  }

  async function detach(
    hostDevices: readonly string[],
    settings: { readonly signal?: AbortSignal } = {},
  ): Promise<void> {
    const wanted = new Set(hostDevices);
    for (const device of wanted) owed.add(device);
    await connected(settings);
    const doomed = list().filter((port) => wanted.has(port.hostDevice));
    const uuids = new Set(portUuids(new Set(doomed.map((port) => port.interfaceUuid))));
    // The server executes a connection's transactions in order: after this one such a port is gone, whether it was or not.
    const pending = [...unanswered].filter(([device]) => wanted.has(device));
    for (const [, uuid] of pending) uuids.add(uuid);
    const transaction = client.transaction();
    for (const row of uuids.size === 0 ? [] : bridges.values()) {
      // A port and its interface are no root rows: they go with the last reference to them.
      const mine = row.name === integrationBridge ? [...uuids] : [...uuids].filter((uuid) => row.ports.has(uuid));
      if (mine.length > 0) transaction.mutate("Bridge", row._uuid, { ports: { delete: mine } });
    }
    if (transaction.operations.length > 0) {
      await transaction.comment(`ovenbird: remove ${doomed.map((port) => port.pod).join(", ")}`).commit(settings);
    }
    for (const device of wanted) owed.delete(device);
    for (const [device, uuid] of pending) if (unanswered.get(device) === uuid) unanswered.delete(device);
  }

  return {
    async attach(port, settings = {}) {
      await connected(settings);
      const into = bridge();
      const older = list().filter(
        (other) => other.hostDevice === port.hostDevice || other.logicalPort === port.logicalPort,
      );
      const interfaceUuid = randomUUID();
      const portUuid = randomUUID();
      owed.delete(port.hostDevice);
      const transaction = client
        .transaction()
        .insert("Interface", { name: port.hostDevice, external_ids: externalIdsOf(port) }, interfaceUuid)
        .insert("Port", { name: port.hostDevice, interfaces: [interfaceUuid] }, portUuid)
        .mutate("Bridge", into._uuid, {
          ports: { insert: [portUuid], delete: portUuids(new Set(older.map((other) => other.interfaceUuid))) },
        })
        .comment(`ovenbird: add ${port.pod}`);
      unanswered.set(port.hostDevice, portUuid);
      let results: readonly OperationResult[];
      try {
        results = await transaction.commit(settings);
      } catch (error) {
        if (isRefusal(error)) unanswered.delete(port.hostDevice);
        throw error;
      }
      unanswered.delete(port.hostDevice);
      // Unreferenced rows vanish in silence: a bridge deleted just now would have taken the port with it.
      if (results[2]?.count !== 1) throw new BindingError("NO_BRIDGE", `the bridge ${integrationBridge} is gone`);
      return older;
    },

    installed(hostDevice, signal) {
      return new Promise<void>((resolve, reject) => {
        const row = rowOf(hostDevice);
        if (signal.aborted) return reject(signal.reason);
        if (row === undefined) return reject(removed(hostDevice));
        if (row.error !== undefined) return reject(refused(hostDevice, row.error));
        if (isInstalled(row)) return resolve();
        const waiting = waiters.get(hostDevice) ?? new Set<Waiter>();
        waiters.set(hostDevice, waiting);
        const end = () => {
          waiting.delete(waiter);
          if (waiting.size === 0) waiters.delete(hostDevice);
          signal.removeEventListener("abort", onAbort);
        };
        const waiter: Waiter = {
          hostDevice,
          settle() {
            end();
            resolve();
          },
          fail(error) {
            end();
            reject(error);
          },
        };
        const onAbort = () => {
          end();
          reject(signal.reason);
        };
        waiting.add(waiter);
        signal.addEventListener("abort", onAbort);
      });
    },

    detach,
    find,
    list,
    close() {
      unsubscribe();
      unlisten();
    },
  };
}

/** Whether it is certain that the transaction was not, and won't be, executed. */
function isRefusal(error: unknown): boolean {
  return !(
    error instanceof OvsdbError &&
    ["ABORTED", "CLOSED", "CONNECTION_LOST", "OUTCOME_UNKNOWN", "TIMED_OUT"].includes(error.code)
  );
}

const removed = (hostDevice: string) => new BindingError("PORT_REMOVED", `the port ${hostDevice} was removed`);
const refused = (hostDevice: string, error: string) =>
  new BindingError("PORT_ERROR", `ovs-vswitchd refuses the port ${hostDevice}: ${error}`);
