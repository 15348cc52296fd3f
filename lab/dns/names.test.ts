import { describe, expect, it } from "vitest";
import { readSlice } from "../endpoints/records.ts";
import { readQuestion, recordType, responseCode, writeAnswer } from "./message.ts";
import { createNames, readNamedService } from "./names.ts";

const names = createNames();
const service = (name: string, clusterIPs: readonly string[]) =>
  names.service(
    `default/${name}`,
    readNamedService({
      metadata: { namespace: "default", name },
      spec: { clusterIPs, ports: [{ name: "http", port: 80 }] },
    }),
  );
service("song", ["10.96.0.7", "fd00:10:96::7"]);
service("choir", ["None"]);
for (const [name, externalName] of Object.entries({
  tune: "Song.default.svc.cluster.local.",
  abroad: "example.org",
  ...{ hen: "egg.default.svc.cluster.local", egg: "hen.default.svc.cluster.local" },
})) {
  const raw = { metadata: { namespace: "default", name }, spec: { type: "ExternalName", externalName } };
  names.service(`default/${name}`, readNamedService(raw));
}
names.slice(
  "default/choir-1",
  readSlice({
    metadata: {
      ...{ namespace: "default", name: "choir-1", uid: "u", resourceVersion: "1" },
      labels: { "kubernetes.io/service-name": "choir" },
    },
    addressType: "IPv4",
    endpoints: [
      { addresses: ["10.244.0.3"], conditions: { ready: true }, hostname: "wren" },
      { addresses: ["10.244.0.4"], conditions: { ready: false } },
    ],
    ports: [{ name: "http", port: 8080 }],
  }),
);
const ask = (name: string, type: number) => names.answer({ name, type });

describe("the cluster's names", () => {
  it("lead to the address of a service in each family", () => {
    expect(ask("song.default.svc.cluster.local", recordType.a).records).toMatchObject([{ address: "10.96.0.7" }]);
    expect(ask("song.default.svc.cluster.local", recordType.aaaa).records).toMatchObject([
      { address: "fd00:10:96::7" },
    ]);
  });

  it("lead to the ready pods of a headless service, and to each by its host name", () => {
    expect(ask("choir.default.svc.cluster.local", recordType.a).records).toMatchObject([{ address: "10.244.0.3" }]);
    expect(ask("wren.choir.default.svc.cluster.local", recordType.a).records).toMatchObject([
      { address: "10.244.0.3" },
    ]);
  });

  it("tell the port of a service, and its name from its address", () => {
    expect(ask("_http._tcp.song.default.svc.cluster.local", recordType.srv).records).toMatchObject([
      { port: 80, target: "song.default.svc.cluster.local" },
    ]);
    expect(ask("_http._tcp.choir.default.svc.cluster.local", recordType.srv).records).toMatchObject([
      { port: 8080, target: "wren.choir.default.svc.cluster.local" },
    ]);
    expect(ask("7.0.96.10.in-addr.arpa", recordType.ptr).records).toMatchObject([
      { target: "song.default.svc.cluster.local" },
    ]);
  });

  it("lead from an ExternalName to what it names, with its addresses where the cluster knows them", () => {
    const alias = { kind: "alias", name: "tune.default.svc.cluster.local", target: "song.default.svc.cluster.local" };
    const address = { kind: "address", name: "song.default.svc.cluster.local", address: "10.96.0.7" };
    expect(ask("tune.default.svc.cluster.local", recordType.a)).toEqual({ code: 0, records: [alias, address] });
    expect(ask("tune.default.svc.cluster.local", recordType.srv).records).toEqual([alias]);
    expect(ask("abroad.default.svc.cluster.local", recordType.aaaa).records).toMatchObject([{ target: "example.org" }]);
    expect(ask("_http._tcp.tune.default.svc.cluster.local", recordType.srv).code).toBe(responseCode.noSuchName);
    expect(ask("hen.default.svc.cluster.local", recordType.a).records).toMatchObject([
      { target: "egg.default.svc.cluster.local" },
      { target: "hen.default.svc.cluster.local" },
    ]);
  });

  it("say that there is no such name, or nothing of that type, or that it is none of theirs", () => {
    expect(ask("crow.default.svc.cluster.local", recordType.a).code).toBe(responseCode.noSuchName);
    expect(ask("wren.choir.default.svc.cluster.local", recordType.aaaa)).toEqual({ code: 0, records: [] });
    expect(ask("example.org", recordType.a).code).toBe(responseCode.refused);
  });
});

describe("a question", () => {
  const wire = Buffer.from("abcd01000001000000000000034f6e65046e616d650000010001", "hex");

  it("is read as it stands on the wire, its name in lower case", () => {
    expect(readQuestion(wire)).toMatchObject({ id: 0xabcd, name: "one.name", type: recordType.a, udpBytes: 512 });
  });

  it("that is cut short or points about is refused", () => {
    for (let end = 0; end < wire.length; end += 1) expect(readQuestion(wire.subarray(0, end))).toBeUndefined();
    const pointer = Buffer.from(wire);
    pointer[12] = 0xc0;
    expect(readQuestion(pointer)).toBeUndefined();
  });

  it("is answered with TC when the answer does not fit", () => {
    const question = readQuestion(wire);
    if (question === undefined) throw new Error("unread");
    const records = Array.from({ length: 40 }, (_, index) => ({
      kind: "address" as const,
      name: question.name,
      address: `10.0.0.${index}`,
    }));
    const short = writeAnswer(question, 0, records, 512, "cluster.local");
    expect(short.length).toBeLessThanOrEqual(512);
    expect(short.readUInt16BE(2) & 0x0200).toBe(0x0200);
    expect(writeAnswer(question, 0, records, 65_535, "cluster.local").readUInt16BE(6)).toBe(40);
  });
});
