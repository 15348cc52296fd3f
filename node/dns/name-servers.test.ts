import { describe, expect, it } from "vitest";
import { readAgentConfig } from "../config.ts";
import { followNameServers } from "./name-servers.ts";

const logger = { debug() {}, info() {}, warn() {} };

/** An API with one Service, which then is deleted. */
function api(service: { readonly namespace: string; readonly name: string; readonly clusterIPs: readonly string[] }) {
  const asked: string[] = [];
  const { namespace, name, clusterIPs } = service;
  const object = { metadata: { namespace, name, uid: "u", resourceVersion: "1" }, spec: { clusterIPs } };
  const gone = Promise.withResolvers<void>();
  const client = {
    async listPage(
      _resource: unknown,
      options: { namespace?: string | undefined; fieldSelector?: string | undefined } = {},
    ) {
      asked.push(`${options.namespace} ${options.fieldSelector}`);
      return { items: [object] as never[], resourceVersion: "1", continue: undefined };
    },
    async watch(
      _resource: unknown,
      options: { readonly signal?: AbortSignal | undefined },
      onEvent: (event: never) => void,
    ) {
      await gone.promise;
      onEvent({ type: "DELETED", object } as never);
      await new Promise((resolve) => options.signal?.addEventListener("abort", resolve));
    },
  };
  return { client, asked, remove: () => gone.resolve() };
}

describe("the name servers that are believed", () => {
  it("are addresses, in whatever spelling, and the cluster addresses of Services as long as those are there", async () => {
    const { client, asked, remove } = api({
      ...{ namespace: "kube-system", name: "kube-dns", clusterIPs: ["10.96.0.10", "FD00:10:96:0::a"] },
    });
    let changes = 0;
    const servers = followNameServers(client, ["kube-system/kube-dns", "169.254.20.10", "fd00:0::1"], logger, () => {
      changes += 1;
    });
    const fixed = ["169.254.20.10", "fd00::1"];
    expect([...servers.addresses]).toEqual(fixed);
    await expect.poll(() => [...servers.addresses]).toEqual([...fixed, "10.96.0.10", "fd00:10:96::a"]);
    expect(changes).toBe(1);
    expect(asked[0]).toBe("kube-system metadata.name=kube-dns");
    remove();
    await expect.poll(() => [...servers.addresses]).toEqual(fixed);
    expect(changes).toBe(2);
    servers.close();
  });

  it.each(["kube-dns", "a/b/c", "10.96.0", ""])("are not %j", (text) => {
    const read = () => readAgentConfig(["--node", "n", "--dns-servers", text], {});
    if (text === "") expect(read().dnsServers).toBe("kube-system/kube-dns");
    else expect(read).toThrow(/--dns-servers/);
  });
});
