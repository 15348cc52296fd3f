import type { KubeClient } from "@ovenbird/kube";
import type { Logger } from "../logger.ts";
import { type FrameReader, getLink, isGone, type RouteSocket, readFrames, sentFromPort } from "../netlink/index.ts";
import { type AddressesInUse, type Connections, keepAddressesInUse } from "./addresses-in-use.ts";
import { readDnsFrame } from "./dns-frame.ts";
import { readDnsAnswer } from "./dns-message.ts";
import { createDomainNameWriter, type DomainNameWriter, type Learnt } from "./domain-name-writer.ts";
import { followNameServers, type NameServers } from "./name-servers.ts";
import { resolvedNames } from "./resolved-names.ts";
import { createTcpMessages, type TcpMessages } from "./tcp-messages.ts";
import { followWantedNames } from "./wanted-names.ts";

const dnsPort = 53;
/** Frames of one pod that are looked at in a second; a pod that asks without end must not take the agent's time from others. */
const mostFramesPerSecond = 2_000;

/** What became of a message: not from a name server of the cluster, not an answer with addresses, of no name that policies give; or of what it said. */
export type AnswerResult = "foreign" | "unreadable" | "unnamed" | Learnt;

export interface DnsMetrics {
  answer(result: AnswerResult): void;
  write(result: "ok" | "failed"): void;
}

export interface DnsObserverOptions {
  readonly client: Pick<KubeClient, "listPage" | "watch" | "patch" | "create">;
  /** Addresses, and Services as `namespace/name`. */
  readonly servers: readonly string[];
  /** The hosts' ends of the pods' interfaces. */
  readonly devices: () => Iterable<string>;
  readonly socket: RouteSocket;
  readonly connections: Connections;
  readonly logger: Logger;
  readonly metrics?: DnsMetrics;
}

/**
 * Learns where domain names lead from the answers that this node's pods get. It looks on only while some policy gives a
 * name, at what is sent to pods from port 53, and believes the cluster's name servers alone: a pod can't send from their
 * addresses, for its port lets it send from its own only.
 *
 *     pod's device ─▶ filter (kernel) ─▶ frame ─▶ message ─▶ names on the way ─▶ those that policies give ─▶ DomainName
 */
export interface DnsObserver {
  /** Devices may have come or gone. */
  look(): void;
  close(): Promise<void>;
}

/** What there is while names are given. */
interface Watch {
  readonly servers: NameServers;
  readonly writer: DomainNameWriter;
  readonly inUse: AddressesInUse;
  readonly streams: TcpMessages;
  readonly readers: Map<string, FrameReader>;
}

export function createDnsObserver(options: DnsObserverOptions): DnsObserver {
  const { client, devices, socket, logger, metrics } = options;
  const filter = sentFromPort(dnsPort);
  let watch: Watch | undefined;
  let closing: Promise<void> = Promise.resolve();
  let closed = false;
  const names = followWantedNames(client, logger, look);

  function look(): void {
    if (closed) return;
    if (names.size === 0) {
      end();
      return;
    }
    watch ??= begin();
    const { readers } = watch;
    const wanted = new Set(devices());
    for (const [device, reader] of readers) {
      if (wanted.has(device)) continue;
      reader.close();
      readers.delete(device);
    }
    for (const device of wanted) if (!readers.has(device)) open(watch, device);
  }

  function begin(): Watch {
    const writer = createDomainNameWriter({
      ...{ client, logger },
      onWrite: (result) => metrics?.write(result),
      onChange: () => inUse.look(),
    });
    const inUse = keepAddressesInUse({
      ...{ connections: options.connections, logger },
      writer: {
        ...writer,
        // What no policy gives any more is about to be removed.
        ending: (beforeMs) => writer.ending(beforeMs).filter(({ name }) => names.means(name)),
      },
    });
    const servers = followNameServers(client, options.servers, logger);
    return { servers, writer, inUse, streams: createTcpMessages(), readers: new Map() };
  }

  /** @returns undefined too when the kernel can't be asked: it is called from where nobody could handle that */
  function indexOf(device: string): number | undefined {
    try {
      return getLink(socket, device)?.index;
    } catch (error) {
      logger.warn({ err: error, device }, "a pod's device could not be looked up");
      return undefined;
    }
  }

  function open(into: Watch, device: string): void {
    const index = indexOf(device);
    // A port without a device of the kernel's (vhost-user), or one that is going.
    if (index === undefined) return;
    let frames = 0;
    let beganMs = 0;
    const leave = () => {
      reader.close();
      if (into.readers.get(device) === reader) into.readers.delete(device);
      if (into === watch) look();
    };
    let reader: FrameReader;
    try {
      reader = readFrames(
        index,
        filter,
        (frame) => {
          const nowMs = performance.now();
          if (nowMs - beganMs >= 1_000) {
            beganMs = nowMs;
            frames = 0;
          }
          frames += 1;
          if (frames <= mostFramesPerSecond) {
            take(into, device, frame);
            return;
          }
          // Closed, it costs nothing; until it is opened again it stands in the list.
          metrics?.answer("limited");
          reader.close();
          setTimeout(leave, beganMs + 1_000 - nowMs).unref();
        },
        (error) => {
          // Down, as long as it isn't configured; up again it goes on.
          if (indexOf(device) === index) return;
          logger.debug({ device, error: error.message }, "a pod's device is gone");
          leave();
        },
      );
      into.readers.set(device, reader);
    } catch (error) {
      if (!isGone(error)) logger.warn({ err: error, device }, "answers to a pod can't be seen");
    }
  }

  function take({ servers, writer, streams }: Watch, device: string, bytes: Buffer): void {
    const frame = readDnsFrame(bytes);
    if (frame === undefined || !servers.has(frame.source)) {
      metrics?.answer(frame === undefined ? "unreadable" : "foreign");
      return;
    }
    const messages = frame.protocol === "udp" ? [frame.payload] : streams.take(device, frame);
    for (const message of messages) {
      const result = learn(writer, message);
      metrics?.answer(result);
    }
  }

  function learn(writer: DomainNameWriter, message: Buffer): AnswerResult {
    const answer = readDnsAnswer(message);
    if (answer === undefined) return "unreadable";
    const results = new Set<AnswerResult>();
    for (const { name, address, ttlSeconds } of resolvedNames(answer)) {
      if (names.means(name)) results.add(writer.learn(name, address, ttlSeconds));
    }
    return (["limited", "learnt", "known"] as const).find((result) => results.has(result)) ?? "unnamed";
  }

  function end(): void {
    if (watch === undefined) return;
    const { readers, servers, writer, inUse } = watch;
    watch = undefined;
    inUse.close();
    for (const reader of readers.values()) reader.close();
    servers.close();
    closing = Promise.all([closing, writer.close()]).then(() => undefined);
  }

  return {
    look,
    close() {
      closed = true;
      names.close();
      end();
      return closing;
    },
  };
}
