import { askVswitchd } from "./control.ts";

/** The first release without a fault of each series, `major.minor.patch`, the oldest series first; all later ones are without it. */
export type SoundSince = readonly (readonly [major: number, minor: number, patch: number])[];

/** @param version `3.1.0`; one that isn't known counts as one with the fault */
export function isFaulty(version: string | undefined, soundSince: SoundSince): boolean {
  const parts = /^(\d+)\.(\d+)\.(\d+)/.exec(version ?? "");
  if (parts === null) return true;
  const [major, minor, patch] = parts.slice(1).map(Number) as [number, number, number];
  const series = soundSince.find((sound) => sound[0] === major && sound[1] === minor);
  if (series !== undefined) return patch < series[2];
  const oldest = soundSince[0] ?? [0, 0, 0];
  return major < oldest[0] || (major === oldest[0] && minor < oldest[1]);
}

/** What `ovs-appctl version` says first: `ovs-vswitchd (Open vSwitch) 3.1.0`. @throws Error when vswitchd can't be asked */
export async function vswitchdVersion(rundir: string): Promise<string | undefined> {
  for await (const [line = ""] of askVswitchd(rundir, "version", [])) return /\) (\S+)/.exec(line)?.[1];
  return undefined;
}
