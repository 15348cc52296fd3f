/** Objects of tenants as tests write them. */

export interface TenantSpec {
  readonly namespaces?: { readonly names: readonly string[] };
  readonly peers?: readonly string[];
  readonly services?: readonly { readonly namespace: string; readonly name?: string }[];
}

const apiVersion = "ovenbird.io/v1alpha1";

/** A tenant; of one that is not `default` the namespace of its name. */
export function tenantObject(name: string, spec: TenantSpec = {}): object {
  const namespaces = name === "default" ? {} : { namespaces: { names: [name] } };
  return { apiVersion, kind: "Tenant", metadata: { name }, spec: { ...namespaces, ...spec } };
}

export function subnetObject(name: string, spec: object): object {
  return { apiVersion, kind: "Subnet", metadata: { name }, spec };
}

export function namespaceObject(name: string): object {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name } };
}

export interface TenantPod {
  readonly namespace: string;
  readonly name: string;
  readonly node: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly ports?: readonly number[];
}

/** A pod of probe servers, TCP and UDP, that is ready once kubelet reaches the first of them by HTTP. */
export function tenantPodObject({
  namespace,
  name,
  node,
  annotations = {},
  labels = {},
  ports = [8080],
}: TenantPod): object {
  const readinessProbe = { httpGet: { path: "/hostname", port: ports[0] }, periodSeconds: 1, failureThreshold: 2 };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { namespace, name, annotations, labels },
    spec: {
      nodeName: node,
      terminationGracePeriodSeconds: 0,
      containers: [
        {
          ...{ name: "probe", image: "probe", readinessProbe },
          ports: ports.flatMap((containerPort) =>
            ["TCP", "UDP"].map((protocol) => ({
              containerPort,
              protocol,
              name: `${protocol.toLowerCase()}-${containerPort}`,
            })),
          ),
        },
      ],
    },
  };
}

export function serviceObject(namespace: string, name: string, selector: Readonly<Record<string, string>>): object {
  const port = (protocol: string) => ({ name: protocol.toLowerCase(), protocol, port: 80, targetPort: 8080 });
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace, name },
    spec: { selector, ipFamilyPolicy: "PreferDualStack", ports: [port("TCP"), port("UDP")] },
  };
}

/** What `kubectl apply -f -` takes. */
export function listOf(...items: readonly object[]): string {
  return JSON.stringify({ apiVersion: "v1", kind: "List", items });
}
