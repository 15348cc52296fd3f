import { Observable } from "rxjs";
import type { KubeClient } from "./client.ts";
import type { Logger } from "./logger.ts";

export interface LeaderElectionOptions {
  /** The Lease's place. */
  readonly namespace: string;
  readonly name: string;
  /** Unique to this process. */
  readonly identity: string;
  /** A leader that was silent for so long, as others saw it, is replaced; default 15,000 ms. */
  readonly leaseDurationMs?: number;
  /** A leader that could not renew for so long steps down; default 10,000 ms, less than the above. */
  readonly renewDeadlineMs?: number;
  /** Between attempts; default 2,000 ms. */
  readonly retryPeriodMs?: number;
  /** Steps down, gives the Lease back and completes. */
  readonly signal?: AbortSignal;
  readonly logger?: Logger;
}

export interface Leadership {
  readonly leading: boolean;
  /** Whom the Lease names, as far as known. */
  readonly holder: string | undefined;
}

export function electLeader(_client: KubeClient, _options: LeaderElectionOptions): Observable<Leadership> {
  return new Observable((subscriber) => subscriber.next({ leading: false, holder: undefined }));
}
