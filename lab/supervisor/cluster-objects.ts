import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { join } from "node:path";
import {
  customResourceDefinitions,
  endpointSlices,
  isKubeError,
  type KubeClient,
  type Resource,
  services,
} from "@ovenbird/kube";
import { parseAllDocuments } from "yaml";
import { z } from "zod";
import { type Layout, ports } from "../topology/layout.ts";

const definitionsFolder = join(import.meta.dirname, "..", "..", "deploy", "crds");
const named = z.looseObject({ metadata: z.looseObject({ name: z.string() }) });

/** Brings the cluster's custom resource definitions to what `deploy/crds` says. */
export async function applyDefinitions(client: KubeClient): Promise<void> {
  if (!existsSync(definitionsFolder)) return;
  for (const file of (await readdir(definitionsFolder)).filter((name) => name.endsWith(".yaml")).sort())
    for (const document of parseAllDocuments(await readFile(join(definitionsFolder, file), "utf8"))) {
      const body = named.parse(document.toJS());
      await createOrMerge(client, customResourceDefinitions, {}, body);
    }
}

/** The service of the cluster's names, and the endpoints of both services that lead to the central host. */
export async function createClusterServices(client: KubeClient, layout: Layout): Promise<void> {
  const dnsPorts = [
    { name: "dns", port: 53, protocol: "UDP" },
    { name: "dns-tcp", port: 53, protocol: "TCP" },
  ];
  await createOrMerge(
    client,
    services,
    { namespace: "kube-system" },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "kube-dns", namespace: "kube-system", labels: { "k8s-app": "kube-dns" } },
      spec: {
        clusterIP: layout.dnsServiceAddresses[0],
        clusterIPs: layout.dnsServiceAddresses,
        ipFamilyPolicy: layout.dnsServiceAddresses.length > 1 ? "RequireDualStack" : "SingleStack",
        ports: dnsPorts,
      },
    },
  );
  const slice = (namespace: string, service: string, address: string, slicePorts: readonly object[]) =>
    createOrMerge(
      client,
      endpointSlices,
      { namespace },
      {
        apiVersion: "discovery.k8s.io/v1",
        kind: "EndpointSlice",
        metadata: {
          name: `${service}-ipv${isIP(address)}`,
          namespace,
          labels: { "kubernetes.io/service-name": service },
        },
        addressType: `IPv${isIP(address)}`,
        endpoints: [{ addresses: [address], conditions: { ready: true } }],
        ports: slicePorts,
      },
    );
  for (const [index, address] of layout.central.addresses.entries()) {
    await slice("kube-system", "kube-dns", address, dnsPorts);
    // The service `kubernetes` has the first family only.
    if (index === 0)
      await slice("default", "kubernetes", address, [{ name: "https", port: ports.api, protocol: "TCP" }]);
  }
}

async function createOrMerge(
  client: KubeClient,
  resource: Resource,
  target: { readonly namespace?: string },
  body: z.infer<typeof named>,
): Promise<void> {
  try {
    await client.create(resource, target, body);
  } catch (error) {
    if (!(isKubeError(error) && error.code === "ALREADY_EXISTS")) throw error;
    await client.patch(resource, { ...target, name: body.metadata.name }, body, { type: "merge" });
  }
}
