import { readFileSync } from "node:fs";
import type { CredentialSource, Credentials } from "./connection.ts";
import { KubeError, messageOf } from "./error.ts";

/** Files that hold credentials are read again after so long, as client-go does. */
export const credentialFileLifetimeMs = 60_000;

/** Credentials that never change. */
export function fixedCredentials(credentials: Credentials): CredentialSource {
  return { current: () => credentials, invalidate() {} };
}

export interface CredentialFiles {
  readonly tokenFile?: string | undefined;
  readonly certificateFile?: string | undefined;
  readonly keyFile?: string | undefined;
}

/**
 * Credentials from files that someone else renews (a service account's token, a kubelet's certificate).
 * @param rest what does not come from the files
 * @param now monotonic clock in ms
 */
export function fileCredentials(
  files: CredentialFiles,
  rest: Credentials,
  now: () => number = () => performance.now(),
): CredentialSource {
  let held: Credentials | undefined;
  let readAt = 0;
  const read = (): Credentials => ({
    ...rest,
    ...(files.tokenFile === undefined ? {} : { authorization: `Bearer ${readText(files.tokenFile).trim()}` }),
    ...(files.certificateFile === undefined ? {} : { certificate: readText(files.certificateFile) }),
    ...(files.keyFile === undefined ? {} : { key: readText(files.keyFile) }),
  });
  return {
    current() {
      if (held !== undefined && now() - readAt < credentialFileLifetimeMs) return held;
      try {
        held = read();
      } catch (error) {
        // In the middle of a renewal the old ones may serve a while yet; without any there is nothing to go on with.
        if (held === undefined) throw error;
      }
      readAt = now();
      return held;
    },
    invalidate() {
      readAt = Number.NEGATIVE_INFINITY;
    },
  };
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new KubeError("CREDENTIALS_FAILED", `credential file ${path}: ${messageOf(cause)}`, { cause });
  }
}

/** What a provider said is held so long at most: it knows itself when a token expires. */
export const providerLifetimeMs = 10_000;

/**
 * Credentials from an `exec` plugin or an `auth-provider` (OIDC and others), by the official client.
 * It is loaded on first use only: it weighs more than 80 MB of memory, which certificates and tokens need not pay.
 * @param user the kubeconfig's user entry, with absolute paths
 */
export function providerCredentials(user: object, now: () => number = () => performance.now()): CredentialSource {
  let held: { readonly credentials: Credentials; readonly at: number } | undefined;
  let pending: Promise<Credentials> | undefined;
  let provider: Promise<() => Promise<Credentials>> | undefined;

  async function ask(): Promise<Credentials> {
    provider ??= loadProvider(user);
    try {
      const credentials = await (await provider)();
      held = { credentials, at: now() };
      return credentials;
    } catch (cause) {
      throw new KubeError("CREDENTIALS_FAILED", `credential plugin: ${messageOf(cause)}`, { cause });
    }
  }

  return {
    current() {
      if (held !== undefined && now() - held.at < providerLifetimeMs) return held.credentials;
      // Many requests at once ask the plugin once.
      pending ??= ask().finally(() => {
        pending = undefined;
      });
      return pending;
    },
    invalidate() {
      held = undefined;
      provider = undefined;
    },
  };
}

async function loadProvider(user: object): Promise<() => Promise<Credentials>> {
  const { KubeConfig } = await import("@kubernetes/client-node");
  const config = new KubeConfig();
  config.loadFromString(
    JSON.stringify({
      clusters: [{ name: "cluster", cluster: { server: "https://localhost" } }],
      users: [{ name: "user", user }],
      contexts: [{ name: "context", context: { cluster: "cluster", user: "user" } }],
      "current-context": "context",
    }),
  );
  return async () => {
    const options: Parameters<typeof config.applyToHTTPSOptions>[0] = { headers: {} };
    await config.applyToHTTPSOptions(options);
    const headers = options.headers as Readonly<Record<string, unknown>> | undefined;
    const authorization = headers?.Authorization;
    return {
      ...(typeof authorization === "string" ? { authorization } : {}),
      ...(options.cert === undefined || options.cert === null ? {} : { certificate: String(options.cert) }),
      ...(options.key === undefined || options.key === null ? {} : { key: String(options.key) }),
    };
  };
}
