import type { Layout } from "../topology/layout.ts";

export const demoNamespace = "default";
export const demoPort = 8080;
const label = { app: "demo" } as const;
export const demoSelector = "app=demo";

/** One more than there are nodes, so that two of them share a node. */
export function demoPodNames(layout: Layout): string[] {
  return Array.from({ length: layout.nodes.length + 1 }, (_, index) => `demo-${index + 1}`);
}

export const demoService = "demo";

/** A service of all demonstration pods, inside the cluster and on a port of each node. */
export function demoServiceObject(): object {
  const port = (name: string, protocol: string) => ({ name, protocol, port: 80, targetPort: demoPort });
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: demoService, namespace: demoNamespace, labels: label },
    spec: {
      type: "NodePort",
      ipFamilyPolicy: "PreferDualStack",
      selector: label,
      ports: [port("http", "TCP"), port("udp", "UDP")],
    },
  };
}

/** A pod whose container is a probe server on one port, TCP and UDP. */
export function demoPod(name: string): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: demoNamespace, labels: label },
    spec: {
      containers: [
        {
          name: "probe",
          image: "probe",
          ports: [
            { containerPort: demoPort, protocol: "TCP" },
            { containerPort: demoPort, protocol: "UDP" },
          ],
        },
      ],
      terminationGracePeriodSeconds: 0,
      tolerations: [{ operator: "Exists" }],
    },
  };
}
