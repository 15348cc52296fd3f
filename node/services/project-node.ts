import { type KubeObject, nodeChassisAnnotation, nodeChassisAnnotationKey, readAnnotation } from "@ovenbird/kube";
import { canonicalAddress } from "./addresses.ts";
import type { PeerNode } from "./service-view.ts";

interface RawNode extends KubeObject {
  readonly status?: { readonly addresses?: readonly { readonly type?: string; readonly address?: string }[] };
}

/** @param intern labels repeat from node to node: gives the one string for each */
export function projectPeerNode(raw: unknown, intern: (text: string) => string): PeerNode {
  const { metadata, status } = raw as RawNode;
  const chassis = readAnnotation(nodeChassisAnnotation, metadata?.annotations?.[nodeChassisAnnotationKey]);
  const gateway = chassis.kind === "valid" ? chassis.value.gateway : undefined;
  const texts = gateway
    ? gateway.addresses.map((cidr) => cidr.split("/")[0] ?? "")
    : (status?.addresses ?? []).flatMap(({ type, address = "" }) => (type === "InternalIP" ? [address] : []));
  const labels = Object.entries(metadata?.labels ?? {}).map(([key, value]) => [intern(key), intern(value)] as const);
  return Object.freeze({
    name: metadata?.name ?? "",
    addresses: Object.freeze(texts.flatMap((text) => canonicalAddress(text) ?? [])),
    labels: Object.freeze(Object.fromEntries(labels)),
    hasGateway: gateway !== undefined,
  });
}
