import { openRouteSocket } from "../../netlink/index.ts";
import type { ServiceView } from "../../services/index.ts";
import { createAnnouncer, sendAnnouncement } from "../index.ts";

/*
 * One host for tests: an announcer as a process of its own, in the network namespace that it is started in, with the view
 * of Services, nodes and pools that its standard input holds. It prints what it announces, a line of JSON per change, and
 * leaves on SIGTERM.
 */

const chunks: Buffer[] = [];
for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
const { nodeName, link, settleMs, nodes, addresses, first, last } = JSON.parse(Buffer.concat(chunks).toString());

const view: Pick<ServiceView, "services" | "nodes" | "pools" | "synced" | "onChange"> = {
  services: new Map([
    [
      "shop/web",
      {
        key: "shop/web",
        uid: "1",
        createdAt: "",
        families: ["ipv4", "ipv6"],
        ports: [{ protocol: "tcp", port: 80 }],
        externalIps: [],
        ingressIps: addresses,
        externalLocal: false,
        localEndpoints: 0,
        localEndpointsOf: { ipv4: 0, ipv6: 0 },
        endpointNodes: new Set(),
      },
    ],
  ]),
  nodes: new Map(
    Object.entries(nodes as Readonly<Record<string, readonly string[]>>).map(([name, own]) => [
      name,
      { name, addresses: own, labels: {}, hasGateway: true },
    ]),
  ),
  pools: new Map([
    [
      "blue",
      {
        name: "blue",
        announce: true,
        nodeSelector: {},
        ranges: [
          { family: "ipv4", first: BigInt(first[0]), last: BigInt(last[0]) },
          { family: "ipv6", first: BigInt(first[1]), last: BigInt(last[1]) },
        ],
      },
    ],
  ]),
  synced: true,
  onChange: () => () => undefined,
};
const socket = openRouteSocket();
const announcer = createAnnouncer({
  nodeName,
  view,
  port: 9098,
  settleMs,
  hasGateway: () => true,
  announce: (address) => sendAnnouncement(socket, link, address),
  logger: {
    debug() {},
    info() {},
    warn: (fields, message) => process.stderr.write(`${message} ${JSON.stringify(fields)}\n`),
  },
});
const tell = (announced: ReadonlySet<string>) => process.stdout.write(`${JSON.stringify([...announced].sort())}\n`);
tell(announcer.announced);
announcer.onChange(tell);
process.once("SIGTERM", () => void announcer.leave().then(() => process.exit(0)));
