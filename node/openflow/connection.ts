import { connect } from "node:net";
import {
  type FlowMonitor,
  type FlowUpdate,
  flushZone,
  followFlows,
  hello,
  type PacketOut,
  packetOutOf,
  packetXid,
  readFlowUpdates,
  readMultipart,
  stopFollowing,
} from "./messages.ts";
import { headerLength, message, messageType, multipart, version } from "./wire.ts";

/** An OpenFlow conversation with one bridge. */
export interface OpenFlowConnection {
  /** The updates of this monitor go where those of all monitors go. */
  follow(monitor: FlowMonitor): void;
  unfollow(id: number): void;
  /** Makes the switch handle a frame; a burst goes out as one. */
  send(how: PacketOut, frame: Buffer): void;
  /** Makes connection tracking forget all connections of a zone. */
  flushZone(zone: number): void;
  /** Resolves when all that was sent before is done, and all updates that this led to have been told. @throws Error when the connection ends */
  barrier(): Promise<void>;
  close(): void;
}

/** Packets that are written together. */
const burst = 200;
/** Longer than a busy vswitchd keeps one waiting. */
const barrierTimeoutMs = 10_000;

/**
 * Connects to a bridge's management socket.
 * @param path `<rundir>/<bridge>.mgmt`
 * @param listener.updates called for each message that tells of flows
 * @param listener.closed called once, when the connection ends or can't be made
 */
export function connectOpenFlow(
  path: string,
  listener: {
    readonly opened: () => void;
    readonly updates: (updates: Iterable<FlowUpdate>) => void;
    readonly closed: (reason: string) => void;
  },
): OpenFlowConnection {
  const socket = connect(path);
  let pending: Buffer = Buffer.alloc(0);
  let outgoing: Buffer[] = [];
  let lastXid = 1;
  let reason = "the bridge has closed the connection";
  const barriers = new Map<number, PromiseWithResolvers<void>>();
  const nextXid = () => {
    lastXid = lastXid >= 0x7fffffff ? 2 : lastXid + 1;
    return lastXid;
  };

  function take(bytes: Buffer): void {
    const type = bytes.readUInt8(1);
    const xid = bytes.readUInt32BE(4);
    switch (type) {
      case messageType.hello:
        listener.opened();
        return;
      case messageType.echoRequest:
        socket.write(message(messageType.echoReply, xid, bytes.subarray(headerLength)));
        return;
      case messageType.barrierReply:
        barriers.get(xid)?.resolve();
        barriers.delete(xid);
        return;
      case messageType.multipartReply: {
        const { type: kind, body } = readMultipart(bytes);
        if (kind === multipart.flowMonitor) listener.updates(readFlowUpdates(body));
        return;
      }
      case messageType.error:
        // A packet that can't be handled, since its port has gone: as if it had been lost.
        if (xid === packetXid) return;
        reason = `the bridge answered with error ${bytes.readUInt16BE(headerLength)}/${bytes.readUInt16BE(headerLength + 2)}`;
        socket.destroy();
        return;
    }
  }

  function flush(): void {
    if (outgoing.length > 0) socket.write(Buffer.concat(outgoing));
    outgoing = [];
  }

  socket.on("data", (chunk: Buffer) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    let at = 0;
    while (pending.length - at >= headerLength) {
      const length = pending.readUInt16BE(at + 2);
      if (pending.readUInt8(at) !== version || length < headerLength) {
        reason = `the bridge speaks version ${pending.readUInt8(at)} of OpenFlow`;
        socket.destroy();
        return;
      }
      if (pending.length - at < length) break;
      take(pending.subarray(at, at + length));
      at += length;
    }
    pending = pending.subarray(at);
  });
  socket.on("error", (error) => {
    reason = error.message;
  });
  socket.on("close", () => {
    for (const { reject } of barriers.values()) reject(new Error(reason));
    barriers.clear();
    listener.closed(reason);
  });
  socket.write(hello());

  return {
    follow: (monitor) => socket.write(followFlows(nextXid(), monitor)),
    unfollow: (id) => socket.write(stopFollowing(nextXid(), id)),
    send(how, frame) {
      outgoing.push(packetOutOf(how, frame));
      if (outgoing.length >= burst) flush();
    },
    flushZone(zone) {
      flush();
      socket.write(flushZone(nextXid(), zone));
    },
    barrier() {
      if (socket.destroyed) return Promise.reject(new Error(reason));
      flush();
      const xid = nextXid();
      const answer = Promise.withResolvers<void>();
      const timer = setTimeout(() => answer.reject(new Error("the bridge does not answer")), barrierTimeoutMs);
      const done = () => {
        clearTimeout(timer);
        barriers.delete(xid);
      };
      barriers.set(xid, answer);
      socket.write(message(messageType.barrierRequest, xid, Buffer.alloc(0)));
      return answer.promise.finally(done);
    },
    close() {
      socket.destroy();
    },
  };
}
