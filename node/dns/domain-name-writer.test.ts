import { createKubeClient, type KubeClient } from "@ovenbird/kube";
import { afterEach, describe, expect, it } from "vitest";
import { answerJson, type ReceivedRequest, startServer, type TestServer } from "../../kube/testing/http-server.ts";
import { createDomainNameWriter } from "./domain-name-writer.ts";

const logger = { debug() {}, info() {}, warn() {} };
const isWrite = ({ method }: ReceivedRequest) => method !== "GET";

let server: TestServer;
let client: KubeClient;

/** An API that lists these names, has no news, and takes writes without ever answering them. */
async function start(names: readonly string[]): Promise<void> {
  const inAnHour = new Date(Date.now() + 3_600_000).toISOString();
  const items = names.map((name) => ({
    metadata: { name, uid: name, resourceVersion: "1" },
    spec: { name },
    status: { addresses: { "192.0.2.1": inAnHour } },
  }));
  server = await startServer((request, response) => {
    if (isWrite(request)) return;
    if (request.url.searchParams.has("watch")) response.writeHead(200).flushHeaders();
    else answerJson(response, 200, { kind: "DomainNameList", metadata: { resourceVersion: "1" }, items });
  });
  client = createKubeClient(server.connection(), { logger });
}

afterEach(async () => {
  await client.close();
  await server.stop();
});

describe("the writer of domain names", () => {
  it("gives up what is not yet written when it ends and the API does not answer", async () => {
    await start([]);
    const synced = Promise.withResolvers<void>();
    const results: string[] = [];
    const writer = createDomainNameWriter({
      ...{ client, logger },
      onWrite: (result) => void results.push(result),
      onChange: synced.resolve,
    });
    await synced.promise;
    for (let index = 0; index < 100; index += 1) writer.learn(`n${index}.example.com`, "192.0.2.1", 300);
    await writer.close();
    // Those that were on their way; no others were tried, each to wait for the same.
    expect(results).toEqual(Array(8).fill("failed"));
    expect(server.requests.filter(isWrite).length).toBeLessThanOrEqual(8);
  });

  it("tells of all that is known already once, not once for each name", async () => {
    await start(Array.from({ length: 300 }, (_, index) => `n${index}.example.com`));
    let told = 0;
    const synced = Promise.withResolvers<void>();
    const writer = createDomainNameWriter({
      ...{ client, logger },
      onChange() {
        told += 1;
        synced.resolve();
      },
    });
    await synced.promise;
    expect(told).toBe(1);
    expect(writer.ending(Date.now() + 4_000_000)).toHaveLength(300);
    await writer.close();
  });
});
