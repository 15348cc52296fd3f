import { describe, expect, it } from "vitest";
import { createDialogue } from "./dialogue.ts";
import type { DnsFrame } from "./dns-frame.ts";
import { dnsAnswer } from "./testing/dns-answer.ts";

const pod = { address: "10.244.0.5", port: 40_000 };
const server = { address: "10.96.0.10", port: 53 };
const question = { id: 7, name: "a.example.com" };
type Change = Partial<{ id: number; name: string; pod: string; podPort: number; server: string }>;

const udp = (from: typeof pod, to: typeof pod, payload: Buffer): DnsFrame => ({
  ...{ protocol: "udp", source: from.address, sourcePort: from.port },
  ...{ destination: to.address, destinationPort: to.port, payload, segment: undefined },
});
const ends = ({ pod: address = pod.address, podPort: port = pod.port, server: by = server.address }: Change) =>
  [
    { address, port },
    { ...server, address: by },
  ] as const;
function asked(change: Change = {}): DnsFrame {
  const [from, to] = ends(change);
  return udp(from, to, dnsAnswer({ ...question, ...change, records: [], flags: 0x0100 }));
}
function answered(change: Change = {}): DnsFrame {
  const [to, from] = ends(change);
  const { id, name } = { ...question, ...change };
  return udp(from, to, dnsAnswer({ id, name, records: [{ name, to: "192.0.2.1" }] }));
}

describe("an answer by UDP", () => {
  it("is taken once, when the pod has asked for it, in whatever capitals", () => {
    const dialogue = createDialogue();
    expect(dialogue.answer(answered())).toBeUndefined();
    dialogue.ask(asked({ name: "A.example.COM" }));
    const frame = answered();
    expect(dialogue.answer(frame)).toEqual([frame.payload]);
    expect(dialogue.answer(answered())).toBeUndefined();
  });

  it.each<Change>([
    { id: 8 },
    { name: "b.example.com" },
    { pod: "10.244.0.6" },
    { podPort: 40_001 },
    { server: "::1" },
  ])("is not taken with %j, and does not end the wait for the right one", (change) => {
    const dialogue = createDialogue();
    dialogue.ask(asked());
    expect(dialogue.answer(answered(change))).toBeUndefined();
    expect(dialogue.answer(answered())).toHaveLength(1);
  });

  it("is not taken later than ten seconds after the question was asked last", () => {
    let now = 0;
    const dialogue = createDialogue(() => now);
    dialogue.ask(asked());
    now = 9_000;
    dialogue.ask(asked());
    now = 18_000;
    expect(dialogue.answer(answered())).toHaveLength(1);
    dialogue.ask(asked());
    now = 28_000;
    expect(dialogue.answer(answered())).toBeUndefined();
  });

  it("is not taken once 512 others were asked for, the latest of which are", () => {
    const dialogue = createDialogue();
    for (let id = 0; id <= 512; id += 1) dialogue.ask(asked({ id }));
    expect(dialogue.answer(answered({ id: 0 }))).toBeUndefined();
    for (let id = 1; id <= 512; id += 1) expect(dialogue.answer(answered({ id }))).toHaveLength(1);
  });

  it("is not made a question by the pod's sending one, nor the other way round", () => {
    const dialogue = createDialogue();
    dialogue.ask({ ...asked(), payload: answered().payload });
    expect(dialogue.answer(answered())).toBeUndefined();
    dialogue.ask(asked());
    expect(dialogue.answer({ ...answered(), payload: asked().payload })).toBeUndefined();
  });
});

describe("answers by TCP", () => {
  const none = Buffer.alloc(0);
  const stream = Buffer.concat([Buffer.from([0, 3]), Buffer.from("one"), Buffer.from([0, 4]), Buffer.from("more")]);
  const segment = (
    fromPod: boolean,
    sequence: number,
    data: Buffer,
    more: { acknowledges?: number; isFirst?: boolean; isLast?: boolean } = {},
    port = pod.port,
  ): DnsFrame => {
    const own = { ...pod, port };
    const frame = fromPod ? udp(own, server, data) : udp(server, own, data);
    const flags = { acknowledges: undefined, isFirst: false, isLast: false, ...more };
    return { ...frame, protocol: "tcp", segment: { sequence: sequence >>> 0, ...flags } };
  };
  const opened = (port = pod.port) => segment(true, 0xffffffff, none, { isFirst: true }, port);
  const accepted = (sequence: number, acknowledges = 0, port = pod.port) =>
    segment(false, sequence, none, { isFirst: true, acknowledges }, port);
  const sent = (sequence: number, data: Buffer, isLast = false, port = pod.port) =>
    segment(false, sequence, data, { acknowledges: 20, isLast }, port);

  it("are put together however they are cut, across the end of sequence numbers too", () => {
    for (let cut = 0; cut <= stream.length; cut += 1) {
      const dialogue = createDialogue();
      dialogue.ask(opened());
      const found = [
        ...(dialogue.answer(accepted(0xfffffffa)) ?? []),
        ...(dialogue.answer(sent(0xfffffffb, stream.subarray(0, cut))) ?? []),
        // Sent again, with more.
        ...(dialogue.answer(sent(0xfffffffb, stream)) ?? []),
      ];
      expect(found.map(String)).toEqual(["one", "more"]);
    }
  });

  it("are not read after a gap, and not after the end", () => {
    const dialogue = createDialogue();
    dialogue.ask(opened());
    dialogue.answer(accepted(0));
    expect(dialogue.answer(sent(3, stream))).toEqual([]);
    expect(dialogue.answer(sent(1, stream))).toBeUndefined();
    dialogue.ask(opened());
    dialogue.answer(accepted(0));
    expect(dialogue.answer(sent(1, stream, true))).toHaveLength(2);
    expect(dialogue.answer(sent(12, stream))).toBeUndefined();
  });

  it("are taken only over a connection that the pod opened and whose server knows the pod's number", () => {
    const dialogue = createDialogue();
    expect(dialogue.answer(accepted(0))).toBeUndefined();
    expect(dialogue.answer(sent(1, stream))).toBeUndefined();
    dialogue.ask(opened());
    expect(dialogue.answer(accepted(0, 1))).toBeUndefined();
    expect(dialogue.answer(sent(1, stream))).toBeUndefined();
    expect(dialogue.answer(accepted(0, 0, 40_001))).toBeUndefined();
    expect(dialogue.answer(accepted(0))).toEqual([]);
    // Another's beginning changes nothing.
    expect(dialogue.answer(accepted(100, 5))).toEqual([]);
    expect(dialogue.answer(sent(1, stream))).toHaveLength(2);
    // Nor does what a pod answers open one.
    dialogue.ask(segment(true, 0, none, { isFirst: true, acknowledges: 9 }, 40_001));
    expect(dialogue.answer(accepted(0, 1, 40_001))).toBeUndefined();
  });

  it("are read of 32 connections at once, those that were heard last", () => {
    const dialogue = createDialogue();
    for (let port = 1; port <= 33; port += 1) {
      dialogue.ask(opened(port));
      dialogue.answer(accepted(0, 0, port));
    }
    expect(dialogue.answer(sent(1, stream, false, 1))).toBeUndefined();
    expect(dialogue.answer(sent(1, stream, false, 2))).toHaveLength(2);
  });
});
