import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  connectOpenFlow,
  conntrack,
  type FlowUpdate,
  field,
  monitorFlag,
  type OpenFlowConnection,
  packetOut,
  setField,
} from "../openflow/index.ts";
import { type AgentHost, startAgentHost } from "../testing/agent-host.ts";
import { askVswitchd } from "../vswitchd/index.ts";
import type { UdpConnection } from "./connection.ts";
import { createConntrack } from "./conntrack.ts";
import { udpFrame } from "./frame.ts";

/** What connections are judged with, against a real vswitchd: its control socket, its flows, its connection tracking. */

const bridge = "br-trial";
const zone = 77;
/** `OFPP_LOCAL` */
const local = 0xfffffffe;
let host: AgentHost;
let openFlow: OpenFlowConnection;
const updates: FlowUpdate[] = [];
let closed: string | undefined;

beforeAll(async () => {
  host = await startAgentHost();
  host.vsctl("add-br", bridge, "--", "set", "bridge", bridge, "datapath_type=netdev", "fail_mode=secure");
  // The host gives the control socket a name of its own.
  writeFileSync(join(host.folder, "ovs-vswitchd.pid"), "1\n");
  symlinkSync(join(host.folder, "vswitchd.ctl"), join(host.folder, "ovs-vswitchd.1.ctl"));
  const opened = Promise.withResolvers<void>();
  openFlow = connectOpenFlow(join(host.folder, `${bridge}.mgmt`), {
    opened: opened.resolve,
    updates: (some) => updates.push(...some),
    closed: (reason) => {
      closed = reason;
    },
  });
  await opened.promise;
});

afterAll(async () => {
  openFlow?.close();
  await host?.stop();
});

const socket = () => `unix:${join(host.folder, `${bridge}.mgmt`)}`;

async function linesOf(method: string, ...params: readonly string[]): Promise<readonly string[]> {
  const lines: string[] = [];
  for await (const some of askVswitchd(host.folder, method, params)) lines.push(...some);
  return lines;
}

describe("vswitchd's control socket", () => {
  it("is asked for lines", async () => {
    expect(await linesOf("version")).toEqual([expect.stringMatching(/^ovs-vswitchd \(Open vSwitch\) \d/)]);
    expect((await linesOf("list-commands")).length).toBeGreaterThan(50);
  });

  it("says what is wrong", async () => {
    await expect(linesOf("no/such-thing")).rejects.toThrow("not a valid command");
  });
});

describe("flows of a bridge", () => {
  it("are told as they come and go", async () => {
    openFlow.follow({ id: 1, flags: monitorFlag.add | monitorFlag.removed | monitorFlag.modify });
    await openFlow.barrier();
    host.ofctl("add-flow", socket(), "table=46,priority=2001,ip,metadata=3,reg15=5,nw_src=10.244.1.3,actions=drop");
    await host.until("the flow is told", () => updates.length > 0);
    const [added] = updates.splice(0);
    expect(added).toMatchObject({ event: "added", table: 46, priority: 2001 });
    expect(added?.match()).toMatchObject({ metadata: 3, source: { bytes: Buffer.from([10, 244, 1, 3]) } });
    expect(added?.match().registers).toEqual(new Map([[15, { value: 5, mask: 0xffffffff }]]));
    host.ofctl("del-flows", socket(), "table=46");
    await host.until("its end is told", () => updates.length > 0);
    expect(updates.splice(0)).toMatchObject([{ event: "removed", table: 46, priority: 2001 }]);
  });
});

describe("a packet that is put into the pipeline", () => {
  const macs = { source: Buffer.from("020000000001", "hex"), destination: Buffer.from("020000000002", "hex") };
  const tuples = [
    { from: { address: "10.244.1.3", port: 40_000 }, to: { address: "10.244.0.3", port: 53 } },
    { from: { address: "fd00::3", port: 40_000 }, to: { address: "fd00::4", port: 53 } },
  ] as const;
  const inPort = field.inPort(local);

  async function tracked(): Promise<readonly UdpConnection[]> {
    const all: UdpConnection[] = [];
    for await (const some of createConntrack(host.folder, () => "netdev").connections((one) => one === zone, zone)) {
      all.push(...some);
    }
    return all.sort((a, b) => (a.from.address < b.from.address ? -1 : 1));
  }

  it("makes a connection, marks it, in spite of one that can't be handled, and leaves nothing of a zone that is flushed", async () => {
    const open = packetOut([inPort], [conntrack(zone, { commit: true })]);
    const mark = packetOut([inPort], [conntrack(zone, { commit: true, exec: [setField(field.conntrackMark(1, 1))] })]);
    const [lost] = tuples;
    openFlow.send(packetOut([field.inPort(65_534)], []), udpFrame(macs, lost.from, lost.to));
    for (const { from, to } of tuples) openFlow.send(open, udpFrame(macs, from, to));
    await openFlow.barrier();
    expect(await tracked()).toMatchObject(tuples.map((tuple) => ({ ...tuple, zone, mark: 0 })));
    for (const { from, to } of tuples) openFlow.send(mark, udpFrame(macs, from, to));
    await openFlow.barrier();
    expect(await tracked()).toMatchObject(tuples.map((tuple) => ({ ...tuple, zone, mark: 1 })));
    openFlow.flushZone(zone);
    await openFlow.barrier();
    expect(await tracked()).toEqual([]);
  });

  it("makes a connection that can be forgotten by itself", async () => {
    const { forget } = createConntrack(host.folder, () => "netdev");
    const open = packetOut([inPort], [conntrack(zone, { commit: true })]);
    for (const { from, to } of tuples) openFlow.send(open, udpFrame(macs, from, to));
    await openFlow.barrier();
    const [first, second] = await tracked();
    if (first === undefined || second === undefined) throw new Error("there are no connections");
    await forget(first);
    expect(await tracked()).toEqual([second]);
    await forget(second);
    await expect(forget(second)).rejects.toThrow("flush");
  });
});

describe("a connection to a bridge", () => {
  it("that the bridge closes is told, and what waits fails", async () => {
    await host.killVswitchd();
    await host.until("the end is told", () => closed !== undefined);
    await expect(openFlow.barrier()).rejects.toThrow();
  });
});
