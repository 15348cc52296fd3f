/** A claim on a named lock (RFC 7047 section 4.1.8); asked for again after each reconnect, until released. */
export interface Lock {
  readonly name: string;
  readonly held: boolean;
  /** Called when `held` changes. Returns how to stop. */
  on(listener: (held: boolean) => void): () => void;
  /** Resolves as soon as the lock is held. Rejects with ABORTED or CLOSED. */
  acquired(signal?: AbortSignal): Promise<void>;
  /** Gives the lock up and stops asking for it. */
  release(): Promise<void>;
}
