import type { Layout } from "../topology/layout.ts";

export const demoNamespace = "default";
export const demoPort = 8080;
const label = { app: "demo" } as const;
export const demoSelector = "app=demo";

/** One more than there are nodes, so that two of them share a node. */
export function demoPodNames(layout: Layout): string[] {
  return Array.from({ length: layout.nodes.length + 1 }, (_, index) => `demo-${index + 1}`);
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
