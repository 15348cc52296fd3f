/** A line that ovn-controller wrote for a packet that an ACL with `log` decided. */
export interface AclLogLine {
  /** As in the log: `2026-01-31T12:00:00.123Z`. */
  readonly time: string;
  /** Name of the ACL. */
  readonly name: string;
  readonly verdict: string;
  readonly direction: "ingress" | "egress";
  readonly protocol: string;
  readonly source: string;
  readonly destination: string;
  /** Absent for protocols without ports. */
  readonly sourcePort?: number;
  readonly destinationPort?: number;
}

const linePattern =
  /^(\d{4}-\d\d-\d\dT[\d:.]+Z)\|\d+\|acl_log\([^)]*\)\|INFO\|name="([^"]*)", verdict=([a-z-]+), severity=[a-z]+(?:, direction=(to|from)-lport)?: (.+)$/;

/** Fields of a flow as Open vSwitch prints them: `tcp,dl_src=…,nw_src=…`. */
function fieldsOf(flow: string): ReadonlyMap<string, string> {
  return new Map(
    flow.split(",").map((part): [string, string] => {
      const at = part.indexOf("=");
      return at < 0 ? [part, ""] : [part.slice(0, at), part.slice(at + 1)];
    }),
  );
}

function portAt(fields: ReadonlyMap<string, string>, ...names: readonly string[]): number | undefined {
  const text = names.map((name) => fields.get(name)).find((value) => value !== undefined);
  const port = Number(text);
  return text === undefined || !Number.isInteger(port) ? undefined : port;
}

/** Reads a line of ovn-controller's log; undefined when it isn't about an ACL (ovn-nb(5), column `log`). */
export function parseAclLogLine(line: string): AclLogLine | undefined {
  const [, time, name, verdict, side, flow] = linePattern.exec(line) ?? [];
  if (time === undefined || name === undefined || verdict === undefined || flow === undefined) return undefined;
  const fields = fieldsOf(flow);
  const protocol = (fields.keys().next().value ?? "").replace(/(?<=^(tcp|udp|sctp))6$/, "");
  const hasPorts = /^(tcp|udp|sctp)$/.test(protocol);
  const sourcePort = hasPorts ? portAt(fields, "tp_src") : undefined;
  const destinationPort = hasPorts ? portAt(fields, "tp_dst") : undefined;
  return {
    time,
    name,
    verdict,
    direction: side === "from" ? "egress" : "ingress",
    protocol,
    source: fields.get("nw_src") ?? fields.get("ipv6_src") ?? "",
    destination: fields.get("nw_dst") ?? fields.get("ipv6_dst") ?? "",
    ...(sourcePort === undefined ? {} : { sourcePort }),
    ...(destinationPort === undefined ? {} : { destinationPort }),
  };
}
