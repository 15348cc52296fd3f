import { objectOr } from "./object.ts";
import { parseEntry } from "./storage/entry.ts";
import type { Api } from "./write.ts";

/** How long events are kept, as `--event-ttl` of a real server. */
const lifetimeMs = 3_600_000;
const sweepIntervalMs = 60_000;

/** Removes events that nobody repeated for an hour. */
export function expireEvents({ store }: Api): { stop(): void } {
  const sweep = () => {
    const bucket = store.bucketNamed("events");
    if (bucket === undefined) return;
    const oldest = Date.now() - lifetimeMs;
    for (const entry of [...bucket.range("")]) {
      const event = parseEntry(entry);
      const series = objectOr(event.series);
      const times = [event.metadata.creationTimestamp, event.lastTimestamp, series.lastObservedTime].map((time) =>
        Date.parse(String(time)),
      );
      if (Math.max(...times.filter((time) => !Number.isNaN(time))) < oldest) store.remove(bucket, event);
    }
  };
  const timer = setInterval(sweep, sweepIntervalMs);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
