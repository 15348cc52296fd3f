import type { ReflectorEvent } from "@ovenbird/kube";
import { Subject } from "rxjs";
import { expect, it } from "vitest";
import { policyEvents } from "./policy-events.ts";
import { projectNetworkPolicy } from "./state/network-policy.ts";
import type { PolicyRecord } from "./state/policy.ts";
import { policyKinds } from "./state/policy-kinds.ts";

it("policies of several kinds are complete once each kind is, and have names of their own", () => {
  const sources = [new Subject<ReflectorEvent<PolicyRecord>>(), new Subject<ReflectorEvent<PolicyRecord>>()] as const;
  const seen: string[] = [];
  const failures: unknown[] = [];
  const subscription = policyEvents(sources).subscribe({
    next: (event) => seen.push(event.kind === "synced" ? "synced" : `${event.kind} ${event.key}`),
    error: (error) => failures.push(error),
  });
  const metadata = { namespace: "shop", name: "web" };
  const namespaced = projectNetworkPolicy({ metadata });
  const admin = policyKinds.AdminNetworkPolicy.project({ metadata: { name: "web" } });
  sources[0].next({ kind: "upsert", key: "shop/web", object: namespaced });
  sources[0].next({ kind: "synced" });
  sources[0].next({ kind: "synced" });
  sources[1].next({ kind: "upsert", key: "web", object: admin });
  expect(seen).toEqual(["upsert NetworkPolicy/shop/web", "upsert AdminNetworkPolicy/web"]);
  sources[1].next({ kind: "synced" });
  sources[0].next({ kind: "delete", key: "shop/web", object: namespaced });
  sources[0].next({ kind: "synced" });
  expect(seen.slice(2)).toEqual(["synced", "delete NetworkPolicy/shop/web", "synced"]);
  sources[1].error("gone");
  expect(failures).toEqual(["gone"]);
  subscription.unsubscribe();
  expect(sources.map(({ observed }) => observed)).toEqual([false, false]);
});
