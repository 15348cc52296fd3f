import { createSocket } from "node:dgram";
import { isIP } from "node:net";
import { readQuestion, recordType } from "../../../lab/dns/message.ts";
import { dnsAnswer } from "../../../node/dns/testing/dns-answer.ts";
import type { Zone } from "./outside-dns.ts";

/** Answers by UDP on port 53 of an address, with the records that it is told over the IPC channel; ends with its parent. */
const [address = "127.0.0.1"] = process.argv.slice(2);
let zone: Zone = [];
process.on("message", (message) => {
  zone = message as Zone;
  process.send?.("taken");
});
process.on("disconnect", () => process.exit());

/** With an alias comes what it leads to. */
function recordsOf(name: string, type: number): Zone {
  const own = zone.filter((record) => record.name === name);
  const alias = own.find(({ to }) => isIP(to) === 0);
  if (alias !== undefined) return [alias, ...recordsOf(alias.to, type)];
  return own.filter(({ to }) => isIP(to) === (type === recordType.a ? 4 : type === recordType.aaaa ? 6 : 0));
}

const socket = createSocket(isIP(address) === 6 ? "udp6" : "udp4");
socket.on("message", (message, from) => {
  const question = readQuestion(message);
  if (question === undefined) return;
  const { id, name, type } = question;
  const exists = zone.some((record) => record.name === name);
  const answer = dnsAnswer({ id, name, type, records: recordsOf(name, type), flags: exists ? 0x8180 : 0x8183 });
  socket.send(answer, from.port, from.address);
});
socket.bind(53, address, () => process.send?.("listening"));
