import { probeIcmp } from "./icmp.ts";
import type { ProbeProtocol, ProbeRequest, ProbeResult } from "./probe.ts";
import { createSctpEndpoints } from "./sctp.ts";
import { probeTcp, serveTcp } from "./tcp.ts";
import { probeUdp, serveUdp } from "./udp.ts";

export interface ServedPort {
  readonly protocol: Exclude<ProbeProtocol, "icmp">;
  readonly port: number;
}

export interface ServeOptions {
  /** The namespace to listen in, a path such as `/run/netns/NAME`. */
  readonly namespace: string;
  /** What the servers call themselves, such as `namespace/pod`. */
  readonly identity: string;
  readonly ports: readonly ServedPort[];
  /** Addresses to listen on; by default all of both families. */
  readonly addresses?: readonly string[];
}

export interface ProbeServers {
  close(): void;
}

export interface Prober {
  /**
   * Listens on the given ports in a namespace.
   * @throws SystemCallError with code `EADDRINUSE` when a port is taken there, `ENOENT` when there is no such namespace
   */
  serve(options: ServeOptions): ProbeServers;
  /** Sends one probe; never rejects: what goes wrong is a verdict. Any number may run at once. */
  probe(request: ProbeRequest): Promise<ProbeResult>;
  close(): void;
}

/** Listens and asks in any number of network namespaces from this one process. */
export function createProber(): Prober {
  const sctp = createSctpEndpoints();
  const serving = new Set<ProbeServers>();

  function serve({ namespace, identity, ports, addresses = ["0.0.0.0", "::"] }: ServeOptions): ProbeServers {
    const portsOf = (protocol: string) => [
      ...new Set(ports.filter((port) => port.protocol === protocol).map(({ port }) => port)),
    ];
    const opened: { close(): void }[] = [];
    try {
      opened.push(serveTcp(namespace, identity, addresses, portsOf("tcp")));
      opened.push(serveUdp(namespace, identity, addresses, portsOf("udp")));
      if (portsOf("sctp").length > 0) opened.push(sctp.serve(namespace, identity, addresses, portsOf("sctp")));
    } catch (error) {
      for (const server of opened) server.close();
      throw error;
    }
    const servers: ProbeServers = {
      close() {
        if (!serving.delete(servers)) return;
        for (const server of opened) server.close();
      },
    };
    serving.add(servers);
    return servers;
  }

  function probe(request: ProbeRequest): Promise<ProbeResult> {
    const { protocol, port } = request;
    if (protocol === "icmp") return probeIcmp(request);
    if (port === undefined || !Number.isInteger(port) || port < 1 || port > 65_535) {
      return Promise.resolve({ verdict: "error", error: `a ${protocol} probe needs a port from 1 to 65535` });
    }
    if (protocol === "tcp") return probeTcp(request);
    return protocol === "udp" ? probeUdp(request) : sctp.probe(request);
  }

  return {
    serve,
    probe,
    close() {
      for (const servers of serving) servers.close();
      sctp.close();
    },
  };
}
