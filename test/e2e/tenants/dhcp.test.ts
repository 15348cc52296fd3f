import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Lab, startLab } from "../../../lab/index.ts";
import { type Cluster, openCluster } from "../cluster.ts";
import { listOf, subnetObject, tenantObject, tenantPodObject } from "./objects.ts";

/**
 * What OVN answers to whoever configures itself: `red/appliance` asks by DHCP (RFC 2131) and DHCPv6 (RFC 8415) from its
 * interface, and its kernel for a router (RFC 4861).
 */

const addresses = ["10.74.0.50", "fd74::50"];
const mtu = 1_350;

let lab: Lab;
let cluster: Cluster;

beforeAll(async () => {
  lab = await startLab({ name: "dhcp", nodes: 1, demoPods: false });
  cluster = await openCluster(lab.kubeconfig);
  const annotations = { "ovenbird.io/ip": addresses.join() };
  await lab.kubectl(["apply", "-f", "-"], {
    input: listOf(
      { apiVersion: "v1", kind: "Namespace", metadata: { name: "red" } },
      tenantObject("red"),
      subnetObject("red", { tenant: "red", mode: "Cluster", cidrs: ["10.74.0.0/24", "fd74::/64"], dhcp: true, mtu }),
    ),
  });
  await lab.kubectl(["wait", "--for=condition=Ready", "--timeout=20s", "tenants,subnets", "--all"]);
  await lab.kubectl(["apply", "-f", "-"], {
    input: listOf(tenantPodObject({ namespace: "red", name: "appliance", node: "node1", annotations })),
  });
  await cluster.untilReady("red/appliance");
});

afterAll(async () => {
  await cluster?.close();
  await lab?.down();
});

/** Runs a program of Node.js in the pod's network, and reads the JSON that it prints. */
async function inPod<T>(program: string): Promise<T> {
  return JSON.parse(await lab.exec("red/appliance", [process.execPath, "-e", program], { timeoutMs: 10_000 })) as T;
}

/** What both programs have in common: a message is sent again until what answers it comes, as clients do. */
const asking = `
  const mac = require("node:os").networkInterfaces().eth0[0].mac.split(":").map((octet) => parseInt(octet, 16));
  const transaction = [...require("node:crypto").randomBytes(4)];
  function ask(socket, request, port, to, isAnswer) {
    return new Promise((resolve) => {
      const send = () => socket.send(Buffer.from(request), port, to);
      const timer = setInterval(send, 500);
      const take = (message) => {
        if (!isAnswer(message)) return;
        clearInterval(timer);
        socket.off("message", take);
        resolve(message);
      };
      socket.on("message", take);
      send();
    });
  }
`;

describe("a pod of a subnet with DHCP", () => {
  it("is offered its own address by DHCP, its router and the MTU, and has it acknowledged", async () => {
    // As whoever has no address yet: it asks from 0.0.0.0.
    await lab.exec("red/appliance", ["ip", "-4", "address", "flush", "dev", "eth0"]);
    await lab.exec("red/appliance", ["ip", "route", "add", "255.255.255.255", "dev", "eth0"]);
    const answers = await inPod<readonly { readonly address: string; readonly options: Record<string, number[]> }[]>(`
      ${asking}
      const socket = require("node:dgram").createSocket("udp4");
      const message = (...options) => [
        1, 1, 6, 0, ...transaction, 0, 0, 128, 0, ...Array(16).fill(0), ...mac, ...Array(202).fill(0), 99, 130, 83, 99, ...options, 255,
      ];
      const read = (reply) => {
        const options = {};
        for (let at = 240; reply[at] !== 255; at += 2 + reply[at + 1]) {
          options[reply[at]] = [...reply.subarray(at + 2, at + 2 + reply[at + 1])];
        }
        return { address: [...reply.subarray(16, 20)].join("."), options };
      };
      const isOurs = (reply) => reply[0] === 2 && transaction.every((octet, index) => reply[4 + index] === octet);
      socket.bind(68, async () => {
        socket.setBroadcast(true);
        const wanted = [55, 5, 1, 3, 26, 51, 54];
        const ours = (type) => (reply) => isOurs(reply) && read(reply).options[53][0] === type;
        const offer = read(await ask(socket, message(53, 1, 1, ...wanted), 67, "255.255.255.255", ours(2)));
        const asked = [50, 4, ...offer.address.split(".").map(Number), 54, 4, ...offer.options[54]];
        const acknowledged = await ask(socket, message(53, 1, 3, ...asked, ...wanted), 67, "255.255.255.255", ours(5));
        console.log(JSON.stringify([offer, read(acknowledged)]));
        socket.close();
      });
    `);
    for (const { address, options } of answers) {
      expect(address).toBe(addresses[0]);
      expect(options).toMatchObject({ 1: [255, 255, 255, 0], 3: [10, 74, 0, 1], 26: [mtu >> 8, mtu & 0xff] });
    }
  });

  it("is given its own address by DHCPv6", async () => {
    const given = await inPod<readonly string[]>(`
      ${asking}
      const socket = require("node:dgram").createSocket("udp6");
      const option = (code, ...value) => [code >> 8, code & 255, value.length >> 8, value.length & 255, ...value];
      const client = option(1, 0, 3, 0, 1, ...mac);
      const association = option(3, 0, 0, 0, 1, ...Array(8).fill(0));
      const optionsIn = (bytes) => {
        const found = new Map();
        for (let at = 0; at < bytes.length; at += 4 + bytes.readUInt16BE(at + 2)) {
          found.set(bytes.readUInt16BE(at), bytes.subarray(at + 4, at + 4 + bytes.readUInt16BE(at + 2)));
        }
        return found;
      };
      const number = transaction.slice(1);
      const ours = (type) => (reply) => reply[0] === type && number.every((octet, index) => reply[1 + index] === octet);
      const all = "ff02::1:2%eth0";
      socket.bind(546, async () => {
        const advertised = await ask(socket, [1, ...number, ...client, ...association], 547, all, ours(2));
        const server = option(2, ...optionsIn(advertised.subarray(4)).get(2));
        const request = [3, ...number, ...client, ...server, ...association];
        const replied = await ask(socket, request, 547, all, ours(7));
        const addressIn = (reply) => optionsIn(optionsIn(reply.subarray(4)).get(3).subarray(12)).get(5).subarray(0, 16);
        console.log(JSON.stringify([advertised, replied].map((reply) => addressIn(reply).toString("hex"))));
        socket.close();
      });
    `);
    expect(given).toEqual(Array(2).fill(`fd74${"0".repeat(26)}50`));
  });

  it("is told by the router that addresses are given, of the MTU, and of itself", async () => {
    const inNetwork = (...command: readonly string[]) => lab.exec("red/appliance", command);
    // The kernel asks for routers when a link comes up; addresses and routes of the pod go with it.
    await inNetwork("sh", "-c", "echo 2 > /proc/sys/net/ipv6/conf/eth0/accept_ra");
    await inNetwork("ip", "link", "set", "eth0", "down", "mtu", String(mtu + 50));
    await inNetwork("ip", "link", "set", "eth0", "up");
    await expect
      .poll(() => inNetwork("ip", "-6", "route", "show", "default"), { timeout: 10_000 })
      .toMatch(/^default via fe80::\S+ dev eth0 proto ra /m);
    expect(await inNetwork("cat", "/proc/sys/net/ipv6/conf/eth0/mtu")).toBe(`${mtu}\n`);
    // Stateful: no prefix makes an address.
    expect(await inNetwork("ip", "-6", "-brief", "address", "show", "dev", "eth0", "scope", "global")).toBe("");
  });
});
