import { askVswitchd, type Datapath } from "../vswitchd/index.ts";
import { readUdpConnection, type UdpConnection } from "./connection.ts";

/** The UDP connections that the node's datapath tracks. */
export interface Conntrack {
  /**
   * @param isWanted only of zones for which this is true
   * @param only when given, the one zone that is asked for
   * @returns some at a time
   */
  connections(isWanted: (zone: number) => boolean, only?: number): AsyncIterable<readonly UdpConnection[]>;
  /** The next packet makes it anew. @throws Error when there is none */
  forget(connection: UdpConnection): Promise<void>;
}

/** @param rundir where vswitchd has its sockets */
export function createConntrack(rundir: string, datapath: () => Datapath): Conntrack {
  const datapathName = () => (datapath() === "netdev" ? "netdev@ovs-netdev" : "system@ovs-system");
  return {
    async *connections(isWanted, only) {
      const filter = only === undefined ? [] : [`zone=${only}`];
      for await (const lines of askVswitchd(rundir, "dpctl/dump-conntrack", [datapathName(), ...filter])) {
        const found: UdpConnection[] = [];
        for (const line of lines) {
          const connection = readUdpConnection(line, isWanted);
          if (connection !== undefined) found.push(connection);
        }
        yield found;
      }
    },
    async forget({ zone, from, to }) {
      const family = from.address.includes(":") ? "ct_ipv6" : "ct_nw";
      const tuple = [
        `${family}_src=${from.address},${family}_dst=${to.address}`,
        `ct_nw_proto=17,ct_tp_src=${from.port},ct_tp_dst=${to.port}`,
      ].join();
      // Open vSwitch 3.1 takes no datapath's name here.
      for await (const _ of askVswitchd(rundir, "dpctl/flush-conntrack", [`zone=${zone}`, tuple]));
    },
  };
}
