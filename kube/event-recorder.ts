import type { KubeClient } from "./client.ts";
import type { Logger } from "./logger.ts";

/** The object that an Event is about. */
export interface EventSubject {
  readonly kind: string;
  readonly apiVersion: string;
  readonly namespace?: string | undefined;
  readonly name: string;
  readonly uid?: string | undefined;
}

export interface EventNote {
  readonly type: "Normal" | "Warning";
  /** A short UpperCamelCase word that machines may match. */
  readonly reason: string;
  /** For people; cut after 1024 bytes. */
  readonly message: string;
}

export interface EventRecorder {
  /** Notes it down and returns; it is sent in the background, and dropped rather than held up without bound. Never throws. */
  event(subject: EventSubject, note: EventNote): void;
  /** Sends what is pending, for at most a few seconds. Never rejects. */
  close(): Promise<void>;
}

export interface EventRecorderOptions {
  readonly component: string;
  readonly host?: string;
  readonly logger?: Logger;
  /** Events sent per second in the long run, and at once; default 10 and 50. */
  readonly perSecond?: number;
  readonly burst?: number;
  /** Subjects with a reason that are remembered, so that repetition counts up; default 4096. */
  readonly maxRemembered?: number;
  /** Subjects with a reason that wait to be sent; default 1024. */
  readonly maxPending?: number;
}

export function createEventRecorder(_client: KubeClient, _options: EventRecorderOptions): EventRecorder {
  return { event() {}, close: () => Promise.resolve() };
}
