import type { KubeConnection } from "./connection.ts";
import { KubeError } from "./error.ts";

export interface LoadKubeConfigOptions {
  /** A kubeconfig file; absent: `$KUBECONFIG`, else `~/.kube/config`, else the pod's service account. */
  readonly path?: string | undefined;
  /** Instead of the file's current context. */
  readonly context?: string | undefined;
}

export function loadKubeConfig(options: LoadKubeConfigOptions = {}): KubeConnection {
  throw new KubeError("INVALID_CONFIG", `${options.path} cannot be loaded`);
}
