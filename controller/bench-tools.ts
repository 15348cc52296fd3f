import type { Socket } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { ReflectorEvent } from "@ovenbird/kube";

/** What the benches share: a synthetic watch, garbage collection, and a bare socket to compare with. */

export function rawNode(index: number): unknown {
  const chassis = {
    systemId: `chassis-${index}`,
    gateway: {
      mac: `0a:58:00:00:${(index >> 8).toString(16).padStart(2, "0")}:${(index & 255).toString(16).padStart(2, "0")}`,
      addresses: [`172.16.${index >> 8}.${index & 255}/16`],
      nextHops: ["172.16.255.254"],
      physicalNetwork: "physnet",
    },
  };
  return {
    metadata: {
      name: `node-${index}`,
      uid: `node-uid-${index}`,
      annotations: { "ovenbird.io/chassis": JSON.stringify(chassis) },
    },
    status: { addresses: [{ type: "InternalIP", address: `172.16.${index >> 8}.${index & 255}` }] },
  };
}

export function upsert<T extends { readonly key: string }>(object: T): ReflectorEvent<T> {
  return { kind: "upsert", key: object.key, object };
}

export function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  const gc: () => void = runInNewContext("gc");
  gc();
  gc();
}

export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** One message to a bare socket, and the wait for the reply with its id. */
export async function exchange(socket: Socket, id: number, message: string): Promise<void> {
  let tail = "";
  const reply = `"id":${id},`;
  const replyAtEnd = `"id":${id}}`;
  const answered = new Promise<void>((resolve, reject) => {
    const onData = (chunk: Buffer): void => {
      const text = tail + chunk.toString("latin1");
      if (text.includes('"error":{') || text.includes('"error":"')) reject(new Error(text.slice(0, 500)));
      tail = text.slice(-40);
      if (!text.includes(reply) && !text.includes(replyAtEnd)) return;
      socket.off("data", onData);
      resolve();
    };
    socket.on("data", onData);
  });
  socket.write(message);
  await answered;
}
