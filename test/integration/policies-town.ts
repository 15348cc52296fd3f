import {
  type Bundle,
  createGraph,
  createIpam,
  type Graph,
  ownerText,
  parseNetworkConfig,
  projectNamespace,
  projectNode,
  projectPod,
  type StateEvent,
} from "@ovenbird/controller";
import {
  projectAdminNetworkPolicy,
  projectBaselineAdminNetworkPolicy,
} from "../../controller/state/admin-network-policy.ts";
import { projectClusterNetworkPolicy } from "../../controller/state/cluster-network-policy.ts";
import { projectNetworkPolicy } from "../../controller/state/network-policy.ts";
import { policyId } from "../../controller/state/policy.ts";
import { projectSubnet, type SubnetMode } from "../../controller/state/subnet.ts";
import { projectTenant } from "../../controller/state/tenant.ts";
import type { PolicyLayout } from "../../controller/translate/policy-layout.ts";
import type { End, Row } from "../policies/acl-evaluator.ts";
import { type Family, familyOf } from "../policies/address-blocks.ts";
import type { Policy, World } from "../policies/objects.ts";
import {
  namespaceObjects,
  type Places,
  paperPlaces,
  podObject,
  podsOf,
  type State,
  sceneNamespaces,
  scenePods,
  worldOf,
} from "../policies/scene.ts";

const parsed = parseNetworkConfig({ clusterCidr: "10.244.0.0/16,fd00:10:244::/48", nodePrefix: "24,64" });
if (parsed.kind !== "valid") throw new Error(JSON.stringify(parsed.problems));
const { network } = parsed;

/** The controller's graph, fed with what changes from one state to the next, and the rows that come of it. */
export interface Town {
  readonly isInTenant: boolean;
  readonly graph: Graph;
  /** Has the graph see a state as events of what changed. */
  become(state: State): void;
  /** All rows as the database would have them. */
  rows(): readonly Row[];
  world(): World;
  /** Where whoever is called so is attached, by an address of the family; undefined when it has none. */
  end(name: string, family: Family, side: "source" | "destination"): End | undefined;
}

const projections = {
  NetworkPolicy: projectNetworkPolicy,
  AdminNetworkPolicy: projectAdminNetworkPolicy,
  BaselineAdminNetworkPolicy: projectBaselineAdminNetworkPolicy,
  ClusterNetworkPolicy: projectClusterNetworkPolicy,
} as const;

/** A node with its agent's annotation, as a gateway. */
function nodeObject(position: number, annotation: string | undefined): object {
  const node = paperPlaces.nodes[position];
  const addresses = node?.status.addresses.map(({ address }) => address) ?? [];
  const chassis = {
    systemId: `chassis-${node?.metadata.name}`,
    gateway: {
      mac: "02:00:00:00:00:01",
      addresses: [`${addresses[0]}/16`, `${addresses[1]}/64`],
      nextHops: ["172.18.0.1", "fd00:172:18::1"],
      physicalNetwork: "physnet",
    },
  };
  return {
    metadata: {
      ...{ ...node?.metadata, uid: `node-${position}` },
      annotations: {
        "ovenbird.io/chassis": JSON.stringify(chassis),
        ...(annotation === undefined ? {} : { "ovenbird.io/node-network": annotation }),
      },
    },
    status: node?.status,
  };
}

const plainOf = (address: string): string => address.split("/")[0] ?? "";
const textOf = (value: unknown): string => JSON.stringify(value);

/** Namespaces of the town, and those of pods that have the same addresses in another tenant. */
const decoy = "decoy";
const sharedCidrs = ["10.10.0.0/16", "fd10:10::/48"];

/** A tenant with a subnet in which each node has a block. */
function tenantEvents(name: string, namespaces: readonly string[], mode: SubnetMode): readonly StateEvent[] {
  const metadata = { name, uid: name, creationTimestamp: "2026-01-01T00:00:00Z" };
  const tenant = projectTenant({ metadata, spec: { namespaces: { names: namespaces } } });
  const subnet = projectSubnet({ metadata, spec: { tenant: name, mode, cidrs: sharedCidrs } });
  return [
    { kind: "tenant", change: "upsert", key: name, object: tenant },
    { kind: "subnet", change: "upsert", key: name, object: subnet },
  ];
}

/** Pods in the places of the town's, each with the labels of the next. */
const decoys = scenePods
  .filter(({ hostNetwork }) => hostNetwork !== true)
  .map((pod, position, own) => {
    const { labels } = own[(position + 1) % own.length] ?? pod;
    const { metadata, spec } = podObject({ ...pod, labels }, {});
    const name = `${metadata.namespace}-${metadata.name}`;
    return projectPod({
      metadata: { ...metadata, name, namespace: decoy, uid: name },
      spec,
      status: { phase: "Running" },
    });
  });

/**
 * @param mode of the subnets, when the town is to be in a tenant, beside another one with pods of the same addresses; else it is in
 * the nodes' blocks
 */
export function createTown(layout?: PolicyLayout, mode?: SubnetMode): Town {
  const graph = createGraph({
    network,
    ipam: createIpam(network),
    report: () => undefined,
    ...(layout === undefined ? {} : { layout }),
  });
  const bundles = new Map<string, Bundle>();
  /** What was last told of each object. */
  const told = new Map<string, { readonly text: string; readonly gone: StateEvent }>();
  let current: State = { policies: [] };
  let podUids = 0;
  const uids = new Map<string, string>();

  function flush(): void {
    for (const { owner, bundle } of graph.flush()) {
      const text = ownerText(owner);
      if (bundle === undefined) bundles.delete(text);
      else bundles.set(text, bundle);
    }
  }

  /** Tells of what is new or another, then of what is gone. */
  function tell(objects: readonly { readonly event: StateEvent; readonly text: string }[]): void {
    const present = new Set<string>();
    for (const { event, text } of objects) {
      const id = `${event.kind} ${event.key}`;
      present.add(id);
      if (told.get(id)?.text === text) continue;
      told.set(id, { text, gone: { kind: event.kind, change: "delete", key: event.key } as StateEvent });
      graph.apply(event);
    }
    for (const [id, { gone }] of told) {
      if (present.has(id)) continue;
      told.delete(id);
      graph.apply(gone);
    }
  }

  function policyEvent(policy: Policy) {
    const object = projections[policy.kind](policy);
    return {
      event: { kind: "policy", change: "upsert", key: policyId(object), object } as const,
      text: textOf(policy),
    };
  }

  const tenants =
    mode === undefined
      ? []
      : [...tenantEvents("town", Object.keys(sceneNamespaces), mode), ...tenantEvents(decoy, [decoy], mode)];
  const decoyPods: readonly StateEvent[] = (mode === undefined ? [] : decoys).map((object) => ({
    ...({ kind: "pod", change: "upsert" } as const),
    key: object.key,
    object,
  }));

  function eventsOf(state: State): { readonly event: StateEvent; readonly text: string }[] {
    return [
      ...[...tenants, ...decoyPods].map((event) => ({ event, text: event.key })),
      ...paperPlaces.nodes.map(({ metadata: { name } }, position) => {
        const object = projectNode(nodeObject(position, undefined));
        return { event: { kind: "node", change: "upsert", key: name, object } as const, text: name };
      }),
      ...namespaceObjects(state).map((raw) => {
        const object = projectNamespace(raw);
        return { event: { kind: "namespace", change: "upsert", key: object.key, object } as const, text: textOf(raw) };
      }),
      ...podsOf(state).map((pod) => {
        let uid = uids.get(pod.key);
        if (uid === undefined) {
          podUids += 1;
          uid = `uid-${podUids}`;
          uids.set(pod.key, uid);
        }
        const plain = podObject(pod, state);
        const phase = state.finished?.includes(pod.key) === true ? "Succeeded" : "Running";
        const raw = { ...plain, metadata: { ...plain.metadata, uid }, status: { phase } };
        return {
          event: { kind: "pod", change: "upsert", key: pod.key, object: projectPod(raw) } as const,
          text: textOf(raw),
        };
      }),
      ...state.policies.map(policyEvent),
    ];
  }

  const places: Places = {
    nodes: paperPlaces.nodes,
    get managementAddresses() {
      return Object.fromEntries(
        paperPlaces.nodes.map(({ metadata: { name } }) => [
          name,
          graph.nodeNetwork(name)?.managementPort.addresses.map(plainOf) ?? [],
        ]),
      );
    },
    podAddresses: (key) => {
      const told = graph.podNetwork(key);
      return told?.infrastructure ?? told?.addresses.map(plainOf) ?? [];
    },
    ...(mode === undefined
      ? {}
      : { ownAddresses: (key: string) => graph.podNetwork(key)?.addresses.map(plainOf) ?? [] }),
  };

  function rows(): readonly Row[] {
    const members = new Map<string, string[]>();
    for (const { memberships } of bundles.values()) {
      for (const { row, column, member } of memberships) {
        const key = `${row} ${column}`;
        const of = members.get(key) ?? [];
        members.set(key, of);
        of.push(member);
      }
    }
    const columnsOfMembers = ["ports", "acls", "addresses"];
    return [...bundles.values()].flatMap((bundle) =>
      bundle.rows.map(({ table, uuid, owner, columns }): Row => {
        const filled = columnsOfMembers.flatMap((column) => {
          const of = members.get(`${uuid} ${column}`);
          return of === undefined ? [] : [[column, of] as const];
        });
        return { table, uuid, owner, columns: { ...columns, ...Object.fromEntries(filled) } };
      }),
    );
  }

  function portWith(address: string): string | undefined {
    for (const { rows: all } of bundles.values()) {
      for (const { table, columns } of all) {
        if (table !== "Logical_Switch_Port") continue;
        const addresses = (columns.addresses as readonly string[] | undefined) ?? [];
        if (addresses.some((text) => text.split(" ").includes(address))) return String(columns.name);
      }
    }
    return undefined;
  }

  return {
    isInTenant: mode !== undefined,
    graph,
    become(state) {
      for (const { key } of scenePods) if (state.absent?.includes(key) === true) uids.delete(key);
      current = state;
      tell(eventsOf(state));
      flush();
    },
    rows,
    world: () => worldOf(current, places),
    end(name, family, side) {
      const ofFamily = (addresses: readonly string[]) => addresses.find((address) => familyOf(address) === family);
      const key = name.replace(/^own:/, "");
      const pod = scenePods.find((one) => one.key === key);
      const nodeName = name.startsWith("node:") ? name.slice("node:".length) : pod?.hostNetwork ? pod.node : undefined;
      if (nodeName === undefined) {
        const address = ofFamily(key === name ? places.podAddresses(key) : (places.ownAddresses?.(key) ?? []));
        const port = graph.podNetwork(key)?.port;
        return address === undefined || port === undefined ? undefined : { port, address };
      }
      const node = paperPlaces.nodes.find(({ metadata }) => metadata.name === nodeName);
      if (side === "destination") {
        const address = ofFamily(node?.status.addresses.map((one) => one.address) ?? []);
        return address === undefined ? undefined : { port: undefined, address };
      }
      const address = ofFamily(places.managementAddresses[nodeName] ?? []);
      const port = address === undefined ? undefined : portWith(address);
      return address === undefined || port === undefined ? undefined : { port, address };
    },
  };
}
