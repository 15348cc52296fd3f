/** PEM texts for `ssl:` endpoints: the authority that signs the servers, and the client's own certificate and key. */
export interface TlsOptions {
  readonly ca: string | Buffer;
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
}

/** What the client logs to: a constant message and fields. pino's loggers fit. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface ClientOptions {
  /** `unix:/path`, `tcp:host:port` or `ssl:host:port` (IPv6 hosts in brackets); a comma list or an array. Tried in random order. */
  readonly endpoints: string | readonly string[];
  readonly database: string;
  /** Needed by `ssl:` endpoints. */
  readonly tls?: TlsOptions | undefined;
  /** Of a cluster, talk only to the leader (default true). */
  readonly leaderOnly?: boolean | undefined;
  /** Bound of one attempt: dial, handshake and the questions before the first monitor (default 5000). */
  readonly connectTimeoutMs?: number | undefined;
  /** After this long without a byte an echo is sent; after as long again the connection is given up (default 5000; 0 = never). */
  readonly probeIntervalMs?: number | undefined;
  /** Pause between rounds over the endpoints: doubles from minMs to maxMs, with jitter (default 100 and 8000). */
  readonly backoff?: { readonly minMs: number; readonly maxMs: number } | undefined;
  /** Bound of one incoming message (default 1 GiB, for snapshots are single messages). */
  readonly maxMessageBytes?: number | undefined;
  /** Bound of requests that wait for their reply (default 10,000). */
  readonly maxPendingRequests?: number | undefined;
  /** Closes the client when it fires. */
  readonly signal?: AbortSignal | undefined;
  readonly logger?: Logger | undefined;
}

/** How to give up on one request. */
export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number | undefined;
}
