import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { expect, it } from "vitest";
import { createKubeClient } from "./http-client.ts";
import { pods } from "./resource.ts";
import { makeCertificates } from "./testing/certificates.ts";
import { answerJson, startServer } from "./testing/http-server.ts";

it("a proxy is passed by a tunnel, with TLS from end to end", async () => {
  const tls = makeCertificates();
  const server = await startServer((_request, response) => answerJson(response, 200, { kind: "Pod" }), tls.server);
  const tunnels: (string | undefined)[] = [];
  const proxy = createServer().on("connect", (request, socket, head) => {
    tunnels.push(request.url);
    const upstream = connect(server.port, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      upstream.write(head);
      upstream.pipe(socket).pipe(upstream);
    });
    for (const end of [socket, upstream]) end.on("error", () => upstream.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const proxyUrl = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  const client = createKubeClient({ ...server.connection({ ca: tls.ca }), proxyUrl });
  try {
    expect(await client.get(pods, { namespace: "shop", name: "web" })).toEqual({ kind: "Pod" });
    expect(tunnels).toEqual([`127.0.0.1:${server.port}`]);
  } finally {
    await client.close();
    await server.stop();
    proxy.closeAllConnections();
    await new Promise((resolve) => proxy.close(resolve));
  }
});
