import { describe, expect, it } from "vitest";
import { decodeHeartbeat, encodeHeartbeat, type Heartbeat } from "./heartbeat.ts";

const heartbeat: Heartbeat = { node: "node-a.example", phase: "settled", life: 0xfedcba9876543210n, sequence: 7 };

describe("a heartbeat", () => {
  it("comes out of the wire as it went in", () => {
    for (const phase of ["joining", "settled", "leaving"] as const) {
      expect(decodeHeartbeat(encodeHeartbeat({ ...heartbeat, phase }))).toEqual({ ...heartbeat, phase });
    }
  });

  it("is not found in anything else", () => {
    const good = encodeHeartbeat(heartbeat);
    const with_ = (offset: number, value: number) => {
      const datagram = Buffer.from(good);
      datagram[offset] = value;
      return datagram;
    };
    for (const bad of [
      Buffer.alloc(0),
      good.subarray(0, 20),
      with_(0, 0),
      with_(4, 2),
      with_(5, 3),
      Buffer.concat([good, Buffer.alloc(300, 97)]),
      Buffer.from("GET / HTTP/1.1\r\n\r\n"),
    ]) {
      expect(decodeHeartbeat(bad)).toBeUndefined();
    }
  });
});
