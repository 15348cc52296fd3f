import { OvsdbError } from "./errors.ts";
import type { Lock } from "./lock.ts";
import type { UntypedModel } from "./model.ts";
import type { Operation, OperationResult } from "./operation.ts";
import type { ClientOptions, RequestOptions } from "./options.ts";
import type { Replica, ReplicaSpec, ReplicateOptions } from "./replica.ts";
import type { DatabaseSchema } from "./schema.ts";
import type { Transaction } from "./transaction.ts";

export type ClientEvent =
  /** `sessions` counts the connections so far, this one included. All replicas have caught up when it comes. */
  | { readonly kind: "connected"; readonly endpoint: string; readonly sessions: number }
  | { readonly kind: "disconnected"; readonly error: OvsdbError };

export interface Client<M> {
  readonly state: "connecting" | "connected" | "closed";
  /** Of the connected server (or the last one). @throws OvsdbError NOT_CONNECTED before the first connection */
  readonly schema: DatabaseSchema;
  /** Resolves when connected. Rejects with ABORTED or CLOSED. */
  ready(options?: { readonly signal?: AbortSignal }): Promise<void>;
  /**
   * Executes operations as one transaction. When it resolves, the replicas of this client have its effects already.
   * Several may be in flight; the server executes them in order.
   * @throws OvsdbError NOT_CONNECTED (nothing sent), OUTCOME_UNKNOWN (reply lost), or what the server said
   */
  transact(operations: readonly Operation[], options?: RequestOptions): Promise<readonly OperationResult[]>;
  /** @throws OvsdbError NOT_CONNECTED before the first connection, for rows are encoded after the server's schema */
  transaction(): Transaction<M>;
  /** Resolves when the first snapshot is in; waits for a connection when there is none. */
  replicate(spec: ReplicaSpec<M>, options?: ReplicateOptions<M>): Promise<Replica<M>>;
  lock(name: string, options?: { readonly steal?: boolean }): Lock;
  /** Any method of the protocol, such as `list_dbs` or `get_server_id`; parameters and result as on the wire. */
  call(method: string, params: readonly unknown[], options?: RequestOptions): Promise<unknown>;
  on(listener: (event: ClientEvent) => void): () => void;
  close(): Promise<void>;
}

/** Opens a client and starts connecting at once; it reconnects until closed. */
export function createClient<M = UntypedModel>(_options: ClientOptions): Client<M> {
  throw new OvsdbError("NOT_SUPPORTED", "The client is not there yet");
}
