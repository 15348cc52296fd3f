import { createClient, type UntypedModel } from "../../../ovsdb-client-ts/index.ts";
import { networkPolicy } from "../../policies/cases/case.ts";
import type { NetworkPolicy } from "../../policies/objects.ts";

/** Tells when what was written to the API has become flows on every node, by a policy that selects nobody. */
export interface Settling {
  /** To be written with the other policies of a state. */
  marker(turn: number): NetworkPolicy;
  /** Resolves when the marker's row is there and all nodes have installed what came before. @throws Error after `timeoutMs` */
  settled(turn: number, timeoutMs?: number): Promise<void>;
  close(): Promise<void>;
}

const firstPort = 10_000;

export async function createSettling(northbound: string, namespace: string): Promise<Settling> {
  const client = createClient<UntypedModel>({ endpoints: northbound, database: "OVN_Northbound" });
  const replica = await client.replicate({ ACL: ["match"], NB_Global: ["nb_cfg", "hv_cfg"] });
  const globals = () => [...replica.table("NB_Global").values()][0];

  function until(what: string, holds: () => boolean, timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (!holds()) return;
        clearTimeout(timer);
        stop();
        resolve();
      };
      const stop = replica.subscribe(look);
      const timer = setTimeout(() => {
        stop();
        reject(new Error(`not ${what} within ${timeoutMs} ms`));
      }, timeoutMs);
      look();
    });
  }

  return {
    marker: (turn) =>
      networkPolicy(`${namespace}/marker`, { podSelector: {}, ingress: [{ ports: [{ port: firstPort + turn }] }] }),
    async settled(turn, timeoutMs = 10_000) {
      const text = `tcp.dst == ${firstPort + turn}`;
      const hasMarker = () => [...replica.table("ACL").values()].some(({ match }) => String(match).endsWith(text));
      await until("translated", hasMarker, timeoutMs);
      const global = globals();
      if (global === undefined) throw new Error("there is no NB_Global row");
      const wanted = Number(global.nb_cfg) + 1;
      await client.transact([{ op: "update", table: "NB_Global", where: [], row: { nb_cfg: wanted } }]);
      await until("installed", () => Number(globals()?.hv_cfg) >= wanted, timeoutMs);
    },
    close: () => client.close(),
  };
}
