const decimal = /^\d{1,15}$/;

/**
 * Whether `version` was given before `other`. Of one resource's versions that are numbers the greater is the newer
 * (KEP-5504); of what is no number nothing is known, so it is not older.
 */
export function isOlderVersion(version: string, other: string): boolean {
  return decimal.test(version) && decimal.test(other) && Number(version) < Number(other);
}
