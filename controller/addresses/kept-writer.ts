import { apiVersionOf, ipAddresses, isKubeError, type KubeClient } from "@ovenbird/kube";
import type { KeptAddress } from "../ipam/kept-addresses.ts";
import type { SubnetIpam } from "../ipam/subnet-ipam.ts";
import type { IpAddressRecord } from "../state/ip-address.ts";
import { objectAt, textAt } from "../state/raw-object.ts";
import { createKeyedQueue } from "../status/keyed-queue.ts";
import { createWritePace } from "../status/write-pace.ts";

export interface KeptWriterOptions {
  readonly client: Pick<KubeClient, "create" | "patch" | "delete">;
  /** Asked only when it is ready. */
  readonly ipam: () => Pick<SubnetIpam, "kept" | "keptBy" | "podOfKept" | "reservation" | "forgetKept">;
  /** Whether it is known who has what: before that nothing is written. */
  readonly isReady: () => boolean;
  readonly onWriteError?: (name: string, error: unknown, retryInMs: number | undefined) => void;
  readonly now?: () => Date;
}

/**
 * Writes what the addresses that outlive pods come to: an IPAddress for each, who has it in its status, and its end when its
 * time is over. What is in the API decides; all that is computed here follows from it and from who has a port now.
 */
export interface KeptWriter {
  /** It may have to be written, or have another pod. */
  changed(name: string): void;
  /** It is known who has what. */
  begin(): void;
  readonly pending: number;
  /** Resolves when all that is due is written. */
  idle(): Promise<void>;
  close(): Promise<void>;
}

/** Node's timers end at 2^31 − 1 ms; after that it is looked again. */
const longestWaitMs = 2_000_000_000;

const isHopeless = (error: unknown): boolean =>
  isKubeError(error, "BAD_REQUEST", "INVALID", "REQUEST_TOO_LARGE", "ABORTED", "CLOSED");

/** When an IPAddress that no pod has goes, in milliseconds since 1970; of one that no pod ever had, after its creation. */
export function endOf({ ttlSeconds, record }: Pick<KeptAddress, "ttlSeconds" | "record">): number | undefined {
  if (ttlSeconds === undefined || record === undefined) return undefined;
  const since = Date.parse(record.releasedAt ?? record.createdAt);
  return Number.isNaN(since) ? undefined : since + ttlSeconds * 1000;
}

export function createKeptWriter(options: KeptWriterOptions): KeptWriter {
  const { client, ipam, isReady, onWriteError, now = () => new Date() } = options;
  const pace = createWritePace();
  /** By name, when it goes. */
  const ends = new Map<string, number>();
  let timer: NodeJS.Timeout | undefined;
  let timerAt = Number.POSITIVE_INFINITY;
  let closed = false;

  async function create({ name, subnet, namespace, holder, addresses, mac, ttlSeconds }: KeptAddress): Promise<void> {
    const spec = {
      subnet,
      addresses,
      namespace,
      holder,
      ...(mac === undefined ? {} : { mac }),
      ...(ttlSeconds === undefined ? {} : { ttlSeconds }),
    };
    const body = { apiVersion: apiVersionOf(ipAddresses), kind: ipAddresses.kind, metadata: { name }, spec };
    try {
      await client.create(ipAddresses, {}, body);
    } catch (error) {
      // Its event is on the way, and tells what there is.
      if (!isKubeError(error, "ALREADY_EXISTS")) throw error;
    }
  }

  async function patch(
    name: string,
    uid: string,
    body: object,
    subresource: { subresource?: "status" },
  ): Promise<void> {
    const id = `${name} ${subresource.subresource ?? ""}`;
    const text = JSON.stringify(body);
    if (!pace.allows(id, uid, text)) {
      throw new Error("the object is not yet, or no more, as it was written; it is written again after a pause");
    }
    try {
      await client.patch(ipAddresses, { name }, { metadata: { uid }, ...body }, { type: "merge", ...subresource });
    } catch (error) {
      if (!isKubeError(error, "NOT_FOUND", "GONE")) throw error;
    }
    pace.wrote(id, uid, text);
  }

  /** Who has it, as a merge patch of `status`; undefined when it says so already. */
  function wantedStatus({ name, record }: KeptAddress): Readonly<Record<string, string | null>> | undefined {
    const said = objectAt(JSON.parse(record?.statusText ?? "{}"));
    const pod = ipam().podOfKept(name);
    const node = pod && ipam().reservation(pod)?.node;
    const wasHeld = textAt(said.pod) !== undefined;
    const released = textAt(said.releasedAt) ?? (wasHeld ? now().toISOString() : undefined);
    const wanted = { pod, node, releasedAt: pod === undefined ? released : undefined };
    const changed = Object.entries(wanted).filter(([field, value]) => textAt(said[field]) !== value);
    return changed.length === 0
      ? undefined
      : Object.fromEntries(changed.map(([field, value]) => [field, value ?? null]));
  }

  async function work(name: string): Promise<void> {
    const kept = ipam().keptBy(name);
    ends.delete(name);
    if (kept === undefined) {
      pace.forget(`${name} `);
      pace.forget(`${name} status`);
      return;
    }
    if (!isReady()) return;
    const { record } = kept;
    const pod = ipam().podOfKept(name);
    if (record === undefined) {
      // Nobody was told of it yet, so nobody waits for it.
      if (pod === undefined) ipam().forgetKept(name);
      else await create(kept);
      return;
    }
    if (record.deleting) return;
    if (!sameAddresses(kept, record.addresses)) {
      const { addresses, mac } = kept;
      await patch(name, record.uid, { spec: { addresses, ...(mac === undefined ? {} : { mac }) } }, {});
    }
    const status = wantedStatus(kept);
    if (status !== undefined) await patch(name, record.uid, { status }, { subresource: "status" });
    if (pod !== undefined || status !== undefined) return;
    const end = endOf(kept);
    if (end === undefined) return;
    if (end <= now().getTime()) await remove(name, record);
    else waitFor(name, end);
  }

  async function remove(name: string, { uid, resourceVersion }: IpAddressRecord): Promise<void> {
    try {
      const version = resourceVersion === undefined ? {} : { resourceVersion };
      await client.delete(ipAddresses, { name }, { preconditions: { uid, ...version } });
    } catch (error) {
      if (!isKubeError(error, "NOT_FOUND", "GONE")) throw error;
    }
  }

  function waitFor(name: string, end: number): void {
    ends.set(name, end);
    if (end >= timerAt || closed) return;
    clearTimeout(timer);
    timerAt = end;
    timer = setTimeout(lookAgain, Math.min(Math.max(end - now().getTime(), 0), longestWaitMs));
    timer.unref();
  }

  function lookAgain(): void {
    timerAt = Number.POSITIVE_INFINITY;
    const until = now().getTime();
    const left = [...ends];
    ends.clear();
    for (const [name, end] of left) {
      if (end <= until) queue.add(name);
      else waitFor(name, end);
    }
  }

  const queue = createKeyedQueue({
    concurrency: 16,
    isRetried: (error) => !isHopeless(error),
    ...(onWriteError === undefined ? {} : { onError: onWriteError }),
    work,
  });

  return {
    changed: (name) => {
      if (isReady()) queue.add(name);
    },
    begin() {
      for (const { name } of ipam().kept()) queue.add(name);
    },
    get pending() {
      return queue.pending;
    },
    idle: () => queue.idle(),
    async close() {
      closed = true;
      clearTimeout(timer);
      await queue.close();
    },
  };
}

function sameAddresses({ addresses }: KeptAddress, said: readonly string[]): boolean {
  return addresses.length === said.length && addresses.every((address) => said.includes(address));
}
