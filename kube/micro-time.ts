/** A moment as Kubernetes writes its MicroTime: `2026-11-21T01:02:03.456000Z`. */
export function formatMicroTime(epochMs: number): string {
  return new Date(epochMs).toISOString().replace("Z", "000Z");
}

/** A moment as Kubernetes writes its Time, whole seconds: `2026-11-21T01:02:03Z`. */
export function formatTime(epochMs: number): string {
  return new Date(epochMs).toISOString().replace(/\.\d+Z$/, "Z");
}
