import { BlockList, isIP } from "node:net";
import { type JsonObject, type KubeObject, objectsOf, stringOr } from "../object.ts";
import type { ServiceAddresses } from "../resource.ts";
import { type Cause, causes } from "../status.ts";
import type { StoreEvent } from "../storage/bucket.ts";
import { type Entry, parseEntry } from "../storage/entry.ts";
import type { Store } from "../storage/store.ts";
import { familyOf } from "./service.ts";

type Family = "IPv4" | "IPv6";
const firstNodePort = 30_000;
const lastNodePort = 32_767;

interface Range {
  readonly cidr: string;
  readonly family: Family;
  readonly base: bigint;
  readonly size: bigint;
}

function toNumber(address: string): bigint {
  if (isIP(address) === 4) return address.split(".").reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
  // The URL parser writes every IPv6 address in one canonical, compressed form.
  const [head = "", tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? [] : new Array<string>(8 - left.length - right.length).fill("0");
  return [...left, ...zeros, ...right].reduce((sum, group) => sum * 65_536n + BigInt(`0x${group}`), 0n);
}

function toText(number: bigint, family: Family): string {
  if (family === "IPv4") return [24n, 16n, 8n, 0n].map((shift) => String((number >> shift) & 255n)).join(".");
  const groups = Array.from({ length: 8 }, (_, index) => ((number >> BigInt(112 - index * 16)) & 0xffffn).toString(16));
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}

/** Reads `10.96.0.0/16`; throws RangeError when it is no network. */
function parseRange(cidr: string): Range {
  const [address = "", length = ""] = cidr.split("/");
  const family = familyOf(address);
  const bits = family === "IPv4" ? 32 : 128;
  if (family === undefined || !/^\d{1,3}$/.test(length) || Number(length) > bits) {
    throw new RangeError(`${JSON.stringify(cidr)} is not a network with a prefix length`);
  }
  const hostBits = BigInt(bits - Number(length));
  const base = (toNumber(address) >> hostBits) << hostBits;
  // Larger ranges are cut as upstream cuts them: 2^20 addresses are more than a cluster takes.
  return { cidr, family, base, size: 1n << (hostBits > 20n ? 20n : hostBits) };
}

/**
 * Cluster addresses and node ports of services. What is taken follows from the stored services, so nothing is
 * recorded twice and a restart forgets nothing.
 */
export function createServiceAddresses(cidrs: readonly string[]): ServiceAddresses & { attach(store: Store): void } {
  const ranges = cidrs.map(parseRange);
  const families = ranges.map(({ family }) => family);
  const addressOwners = new Map<string, string>();
  const portOwners = new Map<number, string>();
  const cursors = new Map<Family, bigint>();
  let nextPort = firstNodePort;
  let store: Store | undefined;

  /**
   * Whether another stored service holds it. A reservation by a service that was never stored (refused later on, or a
   * dry run) is void: preparing and storing happen in one turn.
   */
  function takenFrom(owner: string | undefined, uid: string): boolean {
    return owner !== undefined && owner !== uid && store?.byUid(owner) !== undefined;
  }

  function each(entry: Entry, address: (text: string) => void, port: (number: number) => void): void {
    const { spec } = parseEntry(entry);
    const clusterIPs = Array.isArray(spec?.clusterIPs) ? spec.clusterIPs : [];
    for (const text of clusterIPs) if (typeof text === "string" && text !== "None") address(text);
    for (const { nodePort } of objectsOf(spec?.ports)) if (typeof nodePort === "number") port(nodePort);
    if (typeof spec?.healthCheckNodePort === "number") port(spec.healthCheckNodePort);
  }

  function take(entry: Entry): void {
    each(
      entry,
      (text) => addressOwners.set(text, entry.uid),
      (number) => portOwners.set(number, entry.uid),
    );
  }

  function release(entry: Entry): void {
    each(
      entry,
      (text) => addressOwners.get(text) === entry.uid && addressOwners.delete(text),
      (number) => portOwners.get(number) === entry.uid && portOwners.delete(number),
    );
  }

  function follow(events: readonly StoreEvent[]): void {
    for (const { bucket, entry, previous, type } of events) {
      if (bucket.name !== "services") continue;
      if (previous !== undefined) release(previous);
      if (type !== "DELETED") take(entry);
    }
  }

  function allocate(family: Family, uid: string): string | undefined {
    const range = ranges.find((one) => one.family === family);
    if (range === undefined) return undefined;
    for (let tries = 0n; tries < range.size; tries += 1n) {
      const offset = cursors.get(family) ?? 2n;
      cursors.set(family, offset + 1n >= range.size - 1n ? 2n : offset + 1n);
      const text = toText(range.base + offset, family);
      if (takenFrom(addressOwners.get(text), uid) || addressOwners.get(text) === uid) continue;
      addressOwners.set(text, uid);
      return text;
    }
    return undefined;
  }

  function allocatePort(uid: string): number | undefined {
    for (let tries = 0; tries <= lastNodePort - firstNodePort; tries += 1) {
      const port = nextPort;
      nextPort = port === lastNodePort ? firstNodePort : port + 1;
      if (takenFrom(portOwners.get(port), uid) || portOwners.get(port) === uid) continue;
      portOwners.set(port, uid);
      return port;
    }
    return undefined;
  }

  function contains(range: Range, address: string): boolean {
    const list = new BlockList();
    const [base = "", length = ""] = range.cidr.split("/");
    list.addSubnet(base, Number(length), range.family === "IPv4" ? "ipv4" : "ipv6");
    return list.check(address, range.family === "IPv4" ? "ipv4" : "ipv6");
  }

  function chooseFamilies(spec: JsonObject): Cause[] {
    const asked = Array.isArray(spec.ipFamilies) ? spec.ipFamilies.map(String) : [];
    const given = Array.isArray(spec.clusterIPs) ? spec.clusterIPs.flatMap((ip) => familyOf(ip) ?? []) : [];
    const policy = stringOr(
      spec.ipFamilyPolicy,
      asked.length > 1 || given.length > 1 ? "RequireDualStack" : "SingleStack",
    );
    if (!["SingleStack", "PreferDualStack", "RequireDualStack"].includes(policy)) {
      return [
        causes.notSupported("spec.ipFamilyPolicy", policy, ["PreferDualStack", "RequireDualStack", "SingleStack"]),
      ];
    }
    const unknown = asked.find((family) => !families.includes(family as Family));
    if (unknown !== undefined) return [causes.invalid("spec.ipFamilies[0]", unknown, "not configured on this cluster")];
    if (policy === "RequireDualStack" && families.length < 2) {
      return [causes.invalid("spec.ipFamilyPolicy", policy, "this cluster is not configured for dual-stack services")];
    }
    const ordered = [...new Set([...asked, ...given, ...families])];
    spec.ipFamilyPolicy = policy;
    spec.ipFamilies = policy === "SingleStack" ? ordered.slice(0, 1) : ordered.slice(0, 2);
    return [];
  }

  function chooseAddresses(spec: JsonObject, uid: string): Cause[] {
    if (spec.clusterIP === "None") {
      spec.clusterIPs = ["None"];
      if (spec.selector === undefined) spec.ipFamilyPolicy ??= "SingleStack";
      return chooseFamilies(spec);
    }
    const given = Array.isArray(spec.clusterIPs) ? spec.clusterIPs.filter((ip) => ip !== "") : [];
    if (given.length === 0 && stringOr(spec.clusterIP) !== "") given.push(spec.clusterIP ?? "");
    spec.clusterIPs = given;
    const faults = chooseFamilies(spec);
    if (faults.length > 0) return faults;
    const wanted = (spec.ipFamilies as Family[]).map((family) => ({
      family,
      address: given.find((ip) => familyOf(ip) === family),
    }));
    const chosen: string[] = [];
    for (const [index, { family, address }] of wanted.entries()) {
      const field = `spec.clusterIPs[${index}]`;
      if (typeof address === "string") {
        const range = ranges.find((one) => one.family === family);
        if (range === undefined || !contains(range, address)) {
          return [
            causes.invalid(
              field,
              address,
              `failed to allocate IP ${address}: the provided IP (${address}) is not in the valid range. The range of valid IPs is ${ranges.map(({ cidr }) => cidr).join(",")}`,
            ),
          ];
        }
        if (takenFrom(addressOwners.get(address), uid)) {
          return [causes.invalid(field, address, `failed to allocate IP ${address}: provided IP is already allocated`)];
        }
        addressOwners.set(address, uid);
        chosen.push(address);
        continue;
      }
      const free = allocate(family, uid);
      if (free === undefined) return [causes.invalid(field, "", "failed to allocate an IP: range is full")];
      chosen.push(free);
    }
    spec.clusterIP = chosen[0];
    spec.clusterIPs = chosen;
    return [];
  }

  function choosePorts(spec: JsonObject, uid: string): Cause[] {
    const type = spec.type;
    const wanted = type === "NodePort" || (type === "LoadBalancer" && spec.allocateLoadBalancerNodePorts !== false);
    const shared = new Map<string, number>();
    for (const [index, port] of objectsOf(spec.ports).entries()) {
      const field = `spec.ports[${index}].nodePort`;
      const nodePort = port.nodePort;
      if (type !== "NodePort" && type !== "LoadBalancer") {
        if (typeof nodePort === "number" && nodePort !== 0)
          return [causes.forbidden(field, "may not be used when `type` is 'ClusterIP'")];
        delete port.nodePort;
        continue;
      }
      if (typeof nodePort === "number" && nodePort !== 0) {
        if (nodePort < firstNodePort || nodePort > lastNodePort) {
          return [
            causes.invalid(
              field,
              nodePort,
              `provided port is not in the valid range. The range of valid ports is ${firstNodePort}-${lastNodePort}`,
            ),
          ];
        }
        if (takenFrom(portOwners.get(nodePort), uid))
          return [causes.invalid(field, nodePort, "provided port is already allocated")];
        portOwners.set(nodePort, uid);
        shared.set(String(port.port), nodePort);
      } else if (wanted) {
        // One number serves TCP and UDP of the same port, as upstream gives it.
        const free = shared.get(String(port.port)) ?? allocatePort(uid);
        if (free === undefined) return [causes.invalid(field, 0, "failed to allocate a nodePort: range is full")];
        shared.set(String(port.port), free);
        port.nodePort = free;
      }
    }
    if (type === "LoadBalancer" && spec.externalTrafficPolicy === "Local") {
      if (spec.healthCheckNodePort === undefined || spec.healthCheckNodePort === 0) {
        const free = allocatePort(uid);
        if (free === undefined) return [causes.invalid("spec.healthCheckNodePort", 0, "range is full")];
        spec.healthCheckNodePort = free;
      }
    } else delete spec.healthCheckNodePort;
    return [];
  }

  /** What a client left out of an update keeps its value. */
  function keep(spec: JsonObject, old: KubeObject): void {
    const before = old.spec ?? {};
    if (stringOr(spec.clusterIP) === "" && before.clusterIP !== undefined && before.type !== "ExternalName") {
      for (const key of ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"]) spec[key] ??= before[key];
      if (Array.isArray(spec.clusterIPs) && spec.clusterIPs.length === 0) spec.clusterIPs = before.clusterIPs;
      spec.clusterIP = before.clusterIP;
    }
    if (spec.type !== before.type && spec.type === "ClusterIP") {
      const ports = objectsOf(before.ports).map(({ nodePort }) => nodePort);
      for (const port of objectsOf(spec.ports)) if (ports.includes(port.nodePort)) delete port.nodePort;
    }
    if (spec.type === "ClusterIP") return;
    for (const port of objectsOf(spec.ports)) {
      const same = objectsOf(before.ports).find((one) => one.port === port.port && one.protocol === port.protocol);
      if (same?.nodePort !== undefined) port.nodePort ??= same.nodePort;
    }
    if (before.healthCheckNodePort !== undefined) spec.healthCheckNodePort ??= before.healthCheckNodePort;
  }

  const [preferred] = ranges;
  return {
    families,
    firstAddress: preferred === undefined ? undefined : toText(preferred.base + 1n, preferred.family),
    attach(attached) {
      store = attached;
      for (const entry of store.bucketNamed("services")?.range("") ?? []) take(entry);
      store.subscribe(follow);
    },
    prepare(service, old) {
      const spec = service.spec ?? {};
      const uid = service.metadata.uid ?? "";
      if (spec.type === "ExternalName") {
        for (const key of ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "healthCheckNodePort"])
          delete spec[key];
        return [];
      }
      if (old !== undefined) keep(spec, old);
      const faults = chooseAddresses(spec, uid);
      return faults.length > 0 ? faults : choosePorts(spec, uid);
    },
  };
}
