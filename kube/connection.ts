/** What to prove who we are with, for one request. */
export interface Credentials {
  /** The `Authorization` header's value. */
  readonly authorization?: string;
  /** PEM, for mutual TLS. */
  readonly certificate?: string;
  readonly key?: string;
}

/** Gives the credentials that hold now; renews them as needed. */
export interface CredentialSource {
  /** @throws KubeError CREDENTIALS_FAILED */
  current(): Credentials | Promise<Credentials>;
  /** The server refused them (401): the next `current` must not answer from memory. */
  invalidate(): void;
}

/** Where the API server is and how to speak with it: what a kubeconfig comes down to. */
export interface KubeConnection {
  /** The server's address, without a slash at the end; it may hold a path. */
  readonly server: string;
  /** The namespace that the context names. */
  readonly namespace: string | undefined;
  /** The context's name, for messages. */
  readonly context: string;
  readonly tls: {
    /** PEM; absent: the system's roots. */
    readonly ca?: string;
    readonly serverName?: string;
    readonly insecureSkipVerify: boolean;
  };
  /** An HTTP proxy in between (`proxy-url`). */
  readonly proxyUrl: string | undefined;
  /** Sent with every request: impersonation (`as`, `as-groups`, `as-uid`). */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly credentials: CredentialSource;
}
