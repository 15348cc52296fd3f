import { apiVersionOf, type EventRecorder, type EventSubject, leases } from "@ovenbird/kube";
import type { ApplyProblem } from "../apply/applier-listener.ts";
import type { Drift } from "../apply/drift.ts";
import type { ObjectProblem } from "../state/object-problem.ts";
import { isPolicyKind, policyKinds } from "../state/policy-kinds.ts";
import { isResourceKind, resourceKinds } from "../state/resource-kinds.ts";
import { parseOwner } from "../translate/owner.ts";

/** Turns what users must know of into Events on the objects that it is about. */
export interface Reporter {
  objectProblem(problem: ObjectProblem): void;
  applyProblem(problem: ApplyProblem): void;
  drift(owner: string, drifts: readonly Drift[]): void;
}

export interface ReporterOptions {
  readonly recorder: Pick<EventRecorder, "event">;
  /** The object for what concerns no object of its own: the controllers' own Lease. */
  readonly lease: { readonly namespace: string; readonly name: string };
  /** The uid of the object, as far as known. */
  readonly uidOf: (kind: string, key: string) => string | undefined;
}

/** Rows named in one Event at most. */
const maxNamed = 3;

/** `ADDRESS_CONFLICT` as Events write their reasons: `AddressConflict`. */
export function eventReason(code: string): string {
  return code
    .toLowerCase()
    .split("_")
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join("");
}

export function createReporter({ recorder, lease, uidOf }: ReporterOptions): Reporter {
  function subjectOf(kind: string, key: string, uid: string | undefined): EventSubject {
    const slash = key.indexOf("/");
    switch (kind) {
      case "Pod":
      case "Service":
        return { kind, apiVersion: "v1", namespace: key.slice(0, slash), name: key.slice(slash + 1), uid };
      case "Namespace":
        return { kind, apiVersion: "v1", name: key, uid };
      case "Node":
        // kubelet and kubectl take a node's name for its uid in Events.
        return { kind, apiVersion: "v1", name: key, uid: key };
      default:
        if (isPolicyKind(kind) || isResourceKind(kind)) {
          const resource = isPolicyKind(kind) ? policyKinds[kind].resource : resourceKinds[kind];
          const named = slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
          return { kind, apiVersion: apiVersionOf(resource), ...named, uid };
        }
        return { kind: leases.kind, apiVersion: apiVersionOf(leases), ...lease };
    }
  }

  function subjectOfOwner(owner: string): EventSubject {
    const { kind, key: ownerKey } = parseOwner(owner) ?? { kind: "", key: "" };
    // A Subnet's switch on a node.
    const key = kind === "Subnet" ? (ownerKey.split("@")[0] ?? ownerKey) : ownerKey;
    const uid = uidOf(kind, key);
    // The tenant `default` is there without an object, and rows outlive theirs.
    return isResourceKind(kind) && uid === undefined ? subjectOf("", "", undefined) : subjectOf(kind, key, uid);
  }

  return {
    objectProblem({ object, code, message }) {
      recorder.event(subjectOf(object.kind, object.key, object.uid), {
        type: "Warning",
        reason: eventReason(code),
        message,
      });
    },
    applyProblem({ owner, code, message }) {
      recorder.event(subjectOfOwner(owner), {
        type: "Warning",
        reason: `Northbound${eventReason(code)}`,
        message: `The northbound database does not take the rows of ${owner}: ${message}`,
      });
    },
    drift(owner, drifts) {
      const named = drifts.slice(0, maxNamed).map(({ table, uuid, what }) => `${table} ${uuid}: ${what}`);
      const more = drifts.length > maxNamed ? `; and ${drifts.length - maxNamed} more` : "";
      recorder.event(subjectOfOwner(owner), {
        type: "Warning",
        reason: "NorthboundDrift",
        message: `Somebody else changed rows of ${owner}, which are restored: ${named.join("; ")}${more}`,
      });
    },
  };
}
