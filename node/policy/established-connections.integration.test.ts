import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AgentHost, startAgentHost } from "../testing/agent-host.ts";
import { openVswitchdSession, type VswitchdSession } from "../vswitchd/index.ts";
import { createEstablishedConnections } from "./established-connections.ts";

const bridge = "br-old";
let host: AgentHost;
let session: VswitchdSession;

beforeAll(async () => {
  host = await startAgentHost();
  host.vsctl("add-br", bridge, "--", "set", "bridge", bridge, "datapath_type=netdev", "protocols=OpenFlow13");
  const logger = { debug() {}, info() {}, warn() {} };
  session = await openVswitchdSession({ endpoint: `unix:${join(host.folder, "db.sock")}`, logger });
});
afterAll(async () => {
  await session?.close();
  await host?.stop();
});

describe("flows of a bridge", () => {
  it("that can't be followed, without OpenFlow 1.5, are told of once, and followed as soon as they can be", async () => {
    const warnings: unknown[] = [];
    const followed: boolean[] = [];
    const connections = createEstablishedConnections({
      ...{ rundir: host.folder, integrationBridge: bridge, datapath: () => "netdev" },
      replica: session.replica,
      pods: { get: () => undefined, synced: async () => undefined },
      metrics: { judged() {}, forgotten() {}, followed: (isFollowed) => void followed.push(isFollowed) },
      logger: { debug() {}, info() {}, warn: (details: unknown) => void warnings.push(details) },
    });
    try {
      await expect.poll(() => warnings, { timeout: 20_000 }).toHaveLength(1);
      expect(warnings).toMatchObject([{ bridge, reason: expect.stringContaining("OpenFlow") }]);
      expect(followed).not.toContain(true);
      host.vsctl("set", "bridge", bridge, "protocols=OpenFlow13,OpenFlow15");
      await expect.poll(() => followed.at(-1), { timeout: 20_000 }).toBe(true);
      expect(warnings).toHaveLength(1);
    } finally {
      await connections.close();
    }
  });
});
