import { policyKinds, projectNamespace, projectNode, projectPod, type StateEvent } from "@ovenbird/controller";
import { keyOf, type Policy } from "../policies/objects.ts";
import { namespaceObjects, podObject, scenePods } from "../policies/scene.ts";

/** Kinds of objects that policies depend on. */
export type Kind = "node" | "namespace" | "pod" | "policy" | "domain";
export const kinds: readonly Kind[] = ["node", "namespace", "pod", "policy", "domain"];

interface TownPod {
  readonly uid: number;
  readonly node: string;
  readonly phase: string;
  readonly hostNetwork: boolean;
  readonly labels: Readonly<Record<string, string>> | undefined;
}

interface TownNode {
  readonly labels: Readonly<Record<string, string>>;
  readonly addresses: readonly string[];
}

interface TownNamespace {
  readonly labels: Readonly<Record<string, string>>;
  readonly logged: "deny" | "allow" | "all" | undefined;
}

/** A small town whose pods, labels, namespaces, nodes, domain names and policies come, change and go. */
export class ChangingTown {
  readonly nodes = new Map<string, TownNode>();
  readonly pods = new Map<string, TownPod>();
  readonly namespaces = new Map<string, TownNamespace>();
  readonly policies = new Map<string, Policy>();
  readonly domains = new Map<string, readonly string[]>();
  readonly pending: Record<Kind, StateEvent[]> = { node: [], namespace: [], pod: [], policy: [], domain: [] };
  uids = 0;

  object(kind: Kind, key: string): StateEvent["object"] {
    switch (kind) {
      case "node": {
        const node = this.nodes.get(key);
        const addresses = node?.addresses.map((address) => ({ type: "InternalIP", address }));
        return node && projectNode({ metadata: { name: key, uid: key, labels: node.labels }, status: { addresses } });
      }
      case "namespace": {
        const namespace = this.namespaces.get(key);
        if (namespace === undefined) return undefined;
        const logged = namespace.logged === undefined ? {} : { logged: { [key]: namespace.logged } };
        const raw = namespaceObjects({ namespaceLabels: { [key]: namespace.labels }, ...logged });
        return projectNamespace(raw.find(({ metadata }) => metadata.name === key));
      }
      case "pod": {
        const pod = this.pods.get(key);
        const scene = scenePods.find((one) => one.key === key);
        if (pod === undefined || scene === undefined) return undefined;
        const raw = podObject(scene, pod.labels === undefined ? {} : { podLabels: { [key]: pod.labels } });
        return projectPod({
          metadata: { ...raw.metadata, uid: `uid-${pod.uid}` },
          spec: { ...raw.spec, nodeName: pod.node, hostNetwork: pod.hostNetwork },
          status: { phase: pod.phase },
        });
      }
      case "policy": {
        const policy = this.policies.get(key);
        return policy && policyKinds[policy.kind].project({ ...policy, metadata: { ...policy.metadata, uid: key } });
      }
      case "domain": {
        const addresses = this.domains.get(key);
        return addresses && { key, addresses };
      }
    }
  }

  event(kind: Kind, key: string): StateEvent {
    const object = this.object(kind, key);
    return (
      object === undefined ? { kind, change: "delete", key } : { kind, change: "upsert", key, object }
    ) as StateEvent;
  }

  touch(kind: Kind, key: string): void {
    this.pending[kind].push(this.event(kind, key));
  }

  setPolicy(policy: Policy): void {
    const id = `${policy.kind}/${keyOf(policy)}`;
    this.policies.set(id, policy);
    this.touch("policy", id);
  }

  everything(): StateEvent[] {
    const stores = {
      node: this.nodes,
      namespace: this.namespaces,
      pod: this.pods,
      policy: this.policies,
      domain: this.domains,
    };
    return kinds.flatMap((kind) => [...stores[kind].keys()].map((key) => this.event(kind, key)));
  }
}
