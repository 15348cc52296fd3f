/** The versions of the CNI specification that plugin and agent speak, oldest first. */
export const supportedVersions = ["0.3.1", "0.4.0", "1.0.0", "1.1.0"] as const;

export type SupportedVersion = (typeof supportedVersions)[number];

export function isSupportedVersion(version: unknown): version is SupportedVersion {
  return supportedVersions.some((supported) => supported === version);
}

/** The version to answer in when the one asked for is unknown. */
export const newestVersion: SupportedVersion = "1.1.0";
