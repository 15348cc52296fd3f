import type { OvnSouthbound } from "@ovenbird/ovsdb-schemas";
import type { Client, Replica } from "ovsdb-client-ts";

export interface OutletWatchOptions {
  readonly client: Client<OvnSouthbound>;
  /** Where OVN has a router's outer port now. @param port `Logical_Router_Port.name` @param systemId `Chassis.name`; undefined = nowhere */
  readonly onActive: (port: string, systemId: string | undefined) => void;
  readonly onError: (error: unknown) => void;
}

export interface OutletWatch {
  close(): Promise<void>;
}

const prefix = "cr-";

/** Follows where distributed gateway ports are: what OVN's southbound database says of their `chassisredirect` bindings. */
export function createOutletWatch({ client, onActive, onError }: OutletWatchOptions): OutletWatch {
  const abort = new AbortController();
  const told = new Map<string, string | undefined>();
  let replica: Replica<OvnSouthbound> | undefined;
  let stop: (() => void) | undefined;

  function look(): void {
    if (replica === undefined) return;
    const found = new Map<string, string | undefined>();
    const chassis = replica.table("Chassis");
    for (const { logical_port, chassis: uuid } of replica.table("Port_Binding").values()) {
      if (!logical_port.startsWith(prefix)) continue;
      found.set(logical_port.slice(prefix.length), uuid === undefined ? undefined : chassis.get(uuid)?.name);
    }
    for (const port of new Set([...told.keys(), ...found.keys()])) {
      const systemId = found.get(port);
      if (told.get(port) === systemId) continue;
      if (found.has(port)) told.set(port, systemId);
      else told.delete(port);
      onActive(port, systemId);
    }
  }

  const replicating = client
    .replicate(
      {
        Chassis: ["name"],
        Port_Binding: { columns: ["logical_port", "chassis"], where: [["type", "==", "chassisredirect"]] },
      },
      { signal: abort.signal },
    )
    .then((ready) => {
      replica = ready;
      stop = ready.subscribe(look);
      look();
    })
    .catch((error: unknown) => {
      if (!abort.signal.aborted) onError(error);
    });

  return {
    async close() {
      abort.abort();
      stop?.();
      await replicating;
      await replica?.close();
    },
  };
}
