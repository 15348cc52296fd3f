import type { WatchHub } from "../serve/watch.ts";
import type { Api } from "../write.ts";
export function followDefinitions(
  _api: Api,
  _options: { readonly endWatches: WatchHub["end"]; readonly log: (fields: object, message: string) => void },
): { stop(): void } {
  return { stop: () => undefined };
}
