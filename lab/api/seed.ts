import { randomUUID } from "node:crypto";
import { type JsonObject, timestamp } from "./object.ts";
import { type Api, create } from "./write.ts";

const namespaces = ["default", "kube-system", "kube-public", "kube-node-lease"];

/** What every cluster has from the start: its namespaces and the `kubernetes` service. */
export function seed(api: Api): void {
  const { store, registry } = api;
  const namespaceKind = registry.find("", "v1", "namespaces");
  const services = registry.find("", "v1", "services");
  if (namespaceKind === undefined || services === undefined) return;
  for (const name of namespaces) {
    if (namespaceKind.bucket.get(name) !== undefined) continue;
    store.put(namespaceKind.bucket, {
      kind: "Namespace",
      apiVersion: "v1",
      metadata: {
        name,
        uid: randomUUID(),
        creationTimestamp: timestamp(),
        labels: { "kubernetes.io/metadata.name": name },
      },
      spec: { finalizers: ["kubernetes"] },
      status: { phase: "Active" },
    });
  }
  if (services.bucket.get("default/kubernetes") !== undefined) return;
  const service: JsonObject = {
    kind: "Service",
    apiVersion: "v1",
    metadata: { name: "kubernetes", labels: { component: "apiserver", provider: "kubernetes" } },
    spec: {
      clusterIP: api.context.addresses.firstAddress ?? "None",
      ports: [{ name: "https", port: 443, targetPort: 6443, protocol: "TCP" }],
    },
  };
  create(api, services, "default", service, { dryRun: false, fieldManager: undefined, fieldValidation: "Ignore" });
}
