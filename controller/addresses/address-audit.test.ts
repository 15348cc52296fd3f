import { expect, it } from "vitest";
import { projectIpAddress } from "../state/ip-address.ts";
import { projectPod } from "../state/pod.ts";
import { type AuditInput, auditAddresses, auditCodes } from "./address-audit.ts";

const annotation = (uid: string, address: string) =>
  JSON.stringify({
    uid,
    port: "a_1",
    addresses: [`${address}/24`],
    gateways: ["10.0.0.1"],
    mac: "0a:58:0a:00:00:02",
    mtuBytes: 1400,
    subnet: "s",
    infrastructure: ["100.81.0.2"],
  });

function pod(name: string, told?: string) {
  const annotations = told === undefined ? {} : { "ovenbird.io/network": annotation(name, told) };
  return projectPod({ metadata: { namespace: "a", name, uid: name, annotations }, spec: { nodeName: "n" } });
}
const podsOf = (...pods: ReturnType<typeof pod>[]) => new Map(pods.map((each) => [each.key, each]));
const row = (name: string, ...addresses: string[]) => ({
  owner: `Pod/a/${name}`,
  addresses: [["0a:58:0a:00:00:02", ...addresses].join(" ")],
  subnet: "s",
});
const holding = (name: string, address: string, more: object = {}) => ({
  ...{ subnet: "s", addresses: [address], infrastructure: ["100.81.0.2"] },
  ...{ pod: `a/${name}`, uid: name, node: "n", ...more },
});
const kept = (name: string, address: string) =>
  new Map([
    [
      name,
      projectIpAddress({
        metadata: { name, uid: name },
        spec: { subnet: "s", addresses: [address], namespace: "a", holder: "web" },
      }),
    ],
  ]);

const audit = (input: Partial<AuditInput>) =>
  auditAddresses({ holdings: [], rows: [], pods: new Map(), ipAddresses: new Map(), isSettled: true, ...input })
    .findings;
const codes = (input: Partial<AuditInput>) => audit(input).map(({ code }) => code);

it("finds nothing where all agree", () => {
  const input = {
    holdings: [holding("1", "10.0.0.2", { keptBy: "x" })],
    rows: [row("1", "10.0.0.2", "100.81.0.2")],
    pods: podsOf(pod("1", "10.0.0.2"), pod("2")),
    ipAddresses: kept("x", "10.0.0.2"),
  };
  expect(audit(input)).toEqual([]);
});

it("finds nothing wrong with an IPAddress that waits for an address of somebody else", () => {
  const waiting = { subnet: "s", addresses: ["10.0.0.2"], keptBy: "y", waitsFor: ["10.0.0.2"] };
  const input = {
    holdings: [holding("1", "10.0.0.2", { keptBy: "x" }), waiting],
    rows: [row("1", "10.0.0.2", "100.81.0.2")],
    pods: podsOf(pod("1", "10.0.0.2")),
    ipAddresses: new Map([...kept("x", "10.0.0.2"), ...kept("y", "10.0.0.2")]),
  };
  expect(audit(input)).toEqual([]);
});

it("finds each thing that may be wrong", () => {
  const one = holding("1", "10.0.0.2");
  const seen = [
    ...codes({
      holdings: [one, holding("2", "10.0.0.2", { infrastructure: [] })],
      rows: [row("1", "10.0.0.2", "100.81.0.2"), row("2", "10.0.0.9")],
      pods: podsOf(pod("1"), pod("2")),
    }),
    ...codes({ holdings: [one] }),
    ...codes({ rows: [row("1", "10.0.0.2")] }),
    ...codes({ holdings: [one], pods: podsOf(pod("1")) }),
    ...codes({
      holdings: [one],
      rows: [row("1", "10.0.0.2", "100.81.0.2")],
      pods: podsOf(pod("1", "10.0.0.7")),
    }),
    ...codes({ ipAddresses: kept("x", "10.0.0.2") }),
    ...codes({ holdings: [{ subnet: "s", addresses: ["10.0.0.2"], keptBy: "x" }] }),
    ...codes({
      holdings: [{ subnet: "s", addresses: ["10.0.0.2"], keptBy: "x" }],
      ipAddresses: kept("x", "10.0.0.3"),
    }),
  ];
  expect(seen).toEqual([
    "DUPLICATE",
    "ROW_DIFFERS",
    "LEAKED_RESERVATION",
    "LEAKED_ROW",
    "ROW_MISSING",
    "ANNOTATION_DIFFERS",
    "LEAKED_IPADDRESS",
    "IPADDRESS_MISSING",
    "IPADDRESS_DIFFERS",
  ]);
  expect(new Set(seen)).toEqual(new Set(Object.keys(auditCodes)));
});
