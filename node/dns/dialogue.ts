import type { DnsFrame } from "./dns-frame.ts";
import { readDnsQuestion } from "./dns-message.ts";
import { createTcpMessages } from "./tcp-messages.ts";

/** What one pod asks name servers, and the answers to that. */
export interface Dialogue {
  /** Takes what the pod sends to a server: a question, or what opens a connection. */
  ask(frame: DnsFrame): void;
  /**
   * Takes what a server sends to the pod.
   * @returns the answers that it completes; undefined when the pod has not asked for it: anybody who can send to a pod from
   *   outside can give himself a server's address
   */
  answer(frame: DnsFrame): readonly Buffer[] | undefined;
}

/** Questions of one pod that wait for their answers at once; the oldest makes room for another. */
const mostQuestions = 512;
/** No program waits longer for an answer. */
const patienceMs = 10_000;

/** @param now in ms, of a clock that only goes on */
export function createDialogue(now: () => number = () => performance.now()): Dialogue {
  /** By all that an answer has to repeat (RFC 5452 section 9.1): when it was asked. Oldest first. */
  const questions = new Map<string, number>();
  const streams = createTcpMessages();

  function forgetOld(atMs: number): void {
    for (const [key, askedAtMs] of questions) {
      if (questions.size <= mostQuestions && askedAtMs + patienceMs > atMs) return;
      questions.delete(key);
    }
  }

  return {
    ask(frame) {
      if (frame.protocol === "tcp") return streams.open(frame);
      const question = readDnsQuestion(frame.payload);
      if (question === undefined || question.isAnswer) return;
      const key = `${frame.destination} ${frame.source} ${frame.sourcePort} ${question.id} ${question.name}`;
      const atMs = now();
      // Asked again: it is the youngest now.
      questions.delete(key);
      questions.set(key, atMs);
      forgetOld(atMs);
    },
    answer(frame) {
      if (frame.protocol === "tcp") return streams.take(frame);
      const question = readDnsQuestion(frame.payload);
      if (question === undefined || !question.isAnswer) return undefined;
      const key = `${frame.source} ${frame.destination} ${frame.destinationPort} ${question.id} ${question.name}`;
      const askedAtMs = questions.get(key);
      // One question has one answer.
      questions.delete(key);
      return askedAtMs !== undefined && askedAtMs + patienceMs > now() ? [frame.payload] : undefined;
    },
  };
}
