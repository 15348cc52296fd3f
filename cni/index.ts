export { CniFailure, cniErrorCodes } from "./error.ts";
export { isSupportedVersion, supportedVersions } from "./versions.ts";
export { type CniCommand, type CniErrorBody, type CniRequest, type CniResponse, cniPath } from "./wire.ts";
