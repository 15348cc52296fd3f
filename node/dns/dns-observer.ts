import type { KubeClient } from "@ovenbird/kube";
import type { Logger } from "../logger.ts";
import { betweenServers, getLink, mostFilterAddresses, type RouteSocket, readFrames } from "../netlink/index.ts";
import { type AddressesInUse, type Connections, keepAddressesInUse } from "./addresses-in-use.ts";
import { createDeviceReaders, type DeviceReaders } from "./device-readers.ts";
import { createDialogue, type Dialogue } from "./dialogue.ts";
import { readDnsFrame } from "./dns-frame.ts";
import { readDnsAnswer } from "./dns-message.ts";
import { createDomainNameWriter, type DomainNameWriter, type Learnt } from "./domain-name-writer.ts";
import { followNameServers, type NameServers } from "./name-servers.ts";
import { resolvedNames } from "./resolved-names.ts";
import { followWantedNames } from "./wanted-names.ts";

const dnsPort = 53;

/** What became of a message: nothing that the pod has asked for, not an answer with addresses, of no name that policies give; or of what it said. */
export type AnswerResult = "unasked" | "unreadable" | "unnamed" | Learnt;

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
 * name, at what passes between pods and the cluster's name servers, and believes answers to what the pod has asked: a pod
 * can't send from the servers' addresses, for its port lets it send from its own only, but hosts beside the node can.
 *
 *     pod's device ─▶ filter (kernel) ─▶ question ─▶ kept for a while
 *                                     └▶ answer to one ─▶ names on the way ─▶ those that policies give ─▶ DomainName
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
  readonly readers: DeviceReaders;
}

export function createDnsObserver(options: DnsObserverOptions): DnsObserver {
  const { client, devices, socket, logger, metrics } = options;
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
    watch.readers.read(devices());
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
    const servers = followNameServers(client, options.servers, logger, () => {
      if (servers.addresses.size > mostFilterAddresses) {
        logger.warn({ most: mostFilterAddresses }, "there are too many name servers, answers of some are not seen");
      }
      // With a filter for the new ones; what passed the old one must not be judged by them.
      readers.reopen();
    });
    const readers = readDevices(servers, writer);
    return { servers, writer, inUse, readers };
  }

  function readDevices(servers: NameServers, writer: DomainNameWriter): DeviceReaders {
    const dialogues = new Map<string, Dialogue>();
    return createDeviceReaders({
      logger,
      indexOf: (device) => getLink(socket, device)?.index,
      open: (index, onFrame, onError) =>
        readFrames(index, betweenServers(dnsPort, [...servers.addresses]), onFrame, onError),
      onFrame(device, bytes) {
        const dialogue = dialogues.get(device) ?? createDialogue();
        dialogues.set(device, dialogue);
        take(servers, writer, dialogue, bytes);
      },
      onLimit: () => metrics?.answer("limited"),
      onClose: (device) => dialogues.delete(device),
    });
  }

  function take({ addresses }: NameServers, writer: DomainNameWriter, dialogue: Dialogue, bytes: Buffer): void {
    const frame = readDnsFrame(bytes);
    if (frame === undefined) {
      metrics?.answer("unreadable");
      return;
    }
    // By the filter only what goes to the pod is not for a server. So whatever a pod sends, it is never taken for an answer.
    if (addresses.has(frame.destination)) {
      if (!addresses.has(frame.source)) dialogue.ask(frame);
      return;
    }
    const messages = dialogue.answer(frame);
    if (messages === undefined) metrics?.answer("unasked");
    for (const message of messages ?? []) metrics?.answer(learn(writer, message));
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
    readers.close();
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
