import { OvsdbError } from "./errors.ts";
import { createListeners } from "./listeners.ts";
import type { Session } from "./session.ts";

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

/** A lock and the session it is asked of. */
export interface LockClaim {
  readonly lock: Lock;
  start(session: Session): void;
  /** The session ended, and with it the claim. */
  stop(): void;
  onLocked(): void;
  onStolen(): void;
  close(): void;
}

/** A lock's name is an `<id>` (RFC 7047 section 3.1). */
const identifier = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** @throws OvsdbError INVALID_ARGUMENT for what can't be a lock's name */
export function createLockClaim(name: string, steal: boolean, onRelease: () => void): LockClaim {
  if (!identifier.test(name)) {
    throw new OvsdbError("INVALID_ARGUMENT", `${name} is no name for a lock: letters, digits and _ only`);
  }
  const listeners = createListeners<boolean>();
  let session: Session | undefined;
  let held = false;
  let closed = false;
  let stealNext = steal;

  function set(value: boolean): void {
    if (held === value) return;
    held = value;
    listeners.emit(value);
  }

  const onClosed = new Set<() => void>();

  function close(): void {
    closed = true;
    session = undefined;
    set(false);
    listeners.clear();
    for (const callback of [...onClosed]) callback();
  }

  const lock: Lock = {
    name,
    get held() {
      return held;
    },
    on: (listener) => listeners.add(listener),
    acquired(signal) {
      return new Promise((resolve, reject) => {
        if (held) {
          resolve();
          return;
        }
        const settle = (error: OvsdbError | undefined): void => {
          stop();
          onClosed.delete(whenClosed);
          signal?.removeEventListener("abort", whenAborted);
          if (error === undefined) resolve();
          else reject(error);
        };
        const whenClosed = (): void => settle(new OvsdbError("CLOSED", `The claim on lock ${name} was given up`));
        const whenAborted = (): void =>
          settle(new OvsdbError("ABORTED", `Waiting for lock ${name} was aborted`, { cause: signal?.reason }));
        let stop = (): void => {};
        if (closed) whenClosed();
        else if (signal?.aborted) whenAborted();
        else {
          stop = listeners.add((value) => {
            if (value) settle(undefined);
          });
          onClosed.add(whenClosed);
          signal?.addEventListener("abort", whenAborted, { once: true });
        }
      });
    },
    async release() {
      if (closed) return;
      const current = session;
      close();
      onRelease();
      if (current !== undefined && !current.closed) await current.request("unlock", [name]);
    },
  };

  return {
    lock,
    start(current) {
      session = current;
      // Stealing again after every reconnect would let two thieves take turns for ever.
      const method = stealNext ? "steal" : "lock";
      stealNext = false;
      current.send(method, [name], (error, result) => {
        if (session !== current || error !== undefined) return;
        // Also false: a notification that was on its way may have spoken of an earlier claim on this name.
        set(typeof result === "object" && result !== null && "locked" in result && result.locked === true);
      });
    },
    stop() {
      session = undefined;
      set(false);
    },
    onLocked: () => set(true),
    onStolen: () => set(false),
    close,
  };
}
