import { createKubeClient, type KubeClient, type KubeObject, loadKubeConfig, pods, reflect } from "../../kube/index.ts";

/** As much of a Pod as the tests look at. */
export interface Pod extends KubeObject {
  readonly spec?: { readonly nodeName?: string; readonly hostNetwork?: boolean };
  readonly status?: {
    readonly phase?: string;
    readonly podIPs?: readonly { readonly ip: string }[];
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

/** A cluster as it is right now, followed by a watch, so that nothing here has to ask twice. */
export interface Cluster {
  readonly client: KubeClient;
  readonly pods: ReadonlyMap<string, Pod>;
  /** Creates a pod of probe servers. */
  create(pod: PodSpec): Promise<void>;
  /** Resolves once `holds` is true of the pod (undefined: there is none). @throws Error that names `what`, after `timeoutMs` */
  until(
    key: string,
    what: string,
    holds: (pod: Pod | undefined) => boolean,
    timeoutMs?: number,
  ): Promise<Pod | undefined>;
  untilReady(key: string, timeoutMs?: number): Promise<Pod>;
  delete(key: string): Promise<void>;
  untilGone(key: string, timeoutMs?: number): Promise<void>;
  close(): Promise<void>;
}

export interface PodSpec {
  readonly name: string;
  readonly nodeName?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly hostNetwork?: boolean;
  /** A name for the first TCP port. */
  readonly portName?: string;
  readonly tcp?: readonly number[];
  readonly udp?: readonly number[];
  readonly sctp?: readonly number[];
}

export const isReady = (pod: Pod | undefined): boolean =>
  pod?.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") === true;

export function podObject(pod: PodSpec): object {
  const { name, nodeName, annotations, labels, hostNetwork, portName, tcp = [8080], udp = [], sctp = [] } = pod;
  const ports = [
    ...tcp.map((containerPort, index) => ({
      ...{ containerPort, protocol: "TCP" },
      ...(portName === undefined || index > 0 ? {} : { name: portName }),
    })),
    ...udp.map((containerPort) => ({ containerPort, protocol: "UDP" })),
    ...sctp.map((containerPort) => ({ containerPort, protocol: "SCTP" })),
  ];
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      ...{ name, namespace: "default" },
      ...(annotations === undefined ? {} : { annotations }),
      ...(labels === undefined ? {} : { labels }),
    },
    spec: {
      ...(nodeName === undefined ? {} : { nodeName }),
      ...(hostNetwork === undefined ? {} : { hostNetwork }),
      containers: [{ name: "probe", image: "probe", ports }],
      terminationGracePeriodSeconds: 0,
    },
  };
}

export async function openCluster(kubeconfig: string): Promise<Cluster> {
  const client = createKubeClient(loadKubeConfig({ path: kubeconfig }));
  const known = new Map<string, Pod>();
  const waiters = new Set<() => void>();
  const synced = Promise.withResolvers<void>();
  const following = reflect(client, pods, { project: (raw) => raw as Pod }).subscribe((event) => {
    if (event.kind === "upsert") known.set(event.key, event.object);
    else if (event.kind === "delete") known.delete(event.key);
    else synced.resolve();
    for (const waiter of waiters) waiter();
  });
  await synced.promise;

  function until(
    key: string,
    what: string,
    holds: (pod: Pod | undefined) => boolean,
    timeoutMs = 60_000,
  ): Promise<Pod | undefined> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const pod = known.get(key);
        if (!holds(pod)) return;
        clearTimeout(timer);
        waiters.delete(look);
        resolve(pod);
      };
      const timer = setTimeout(() => {
        waiters.delete(look);
        reject(new Error(`${key}: not ${what} within ${timeoutMs} ms; it is ${JSON.stringify(known.get(key))}`));
      }, timeoutMs);
      waiters.add(look);
      look();
    });
  }

  return {
    client,
    pods: known,
    async create(spec) {
      await client.create(pods, { namespace: "default" }, podObject(spec));
    },
    until,
    async untilReady(key, timeoutMs) {
      const pod = await until(key, "ready", isReady, timeoutMs);
      if (pod === undefined) throw new Error(`${key} is gone`);
      return pod;
    },
    async delete(key) {
      const [namespace, name = ""] = key.split("/");
      await client.delete(pods, { namespace, name });
    },
    async untilGone(key, timeoutMs) {
      await until(key, "gone", (pod) => pod === undefined, timeoutMs);
    },
    async close() {
      following.unsubscribe();
      await client.close();
    },
  };
}
