import { ipFault, labelFault, portFault } from "../metadata.ts";
import { isObject, type JsonObject, type KubeObject, objectOr, objectsOf, stringOr } from "../object.ts";
import type { Column, Kind } from "../resource.ts";
import { ageColumn } from "../serve/table.ts";
import { type Cause, causes } from "../status.ts";

const defaultGracePeriodSeconds = 30;

function setIfMissing(target: JsonObject, values: JsonObject): void {
  for (const [key, value] of Object.entries(values)) if (target[key] === undefined) target[key] = value;
}

function setContainerDefaults(container: JsonObject): void {
  const image = stringOr(container.image);
  const tag = /:([^/:@]+)(@|$)/.exec(image)?.[1];
  setIfMissing(container, {
    resources: {},
    terminationMessagePath: "/dev/termination-log",
    terminationMessagePolicy: "File",
    imagePullPolicy: (tag === undefined && !image.includes("@")) || tag === "latest" ? "Always" : "IfNotPresent",
  });
  for (const port of objectsOf(container.ports)) setIfMissing(port, { protocol: "TCP" });
}

/** Defaults of PodSpec, for pods and for pod templates. */
export function setPodSpecDefaults(spec: JsonObject): void {
  setIfMissing(spec, {
    restartPolicy: "Always",
    terminationGracePeriodSeconds: defaultGracePeriodSeconds,
    dnsPolicy: "ClusterFirst",
    securityContext: {},
    schedulerName: "default-scheduler",
  });
  if (spec.serviceAccountName !== undefined) setIfMissing(spec, { serviceAccount: spec.serviceAccountName });
  else if (spec.serviceAccount !== undefined) spec.serviceAccountName = spec.serviceAccount;
  for (const container of [...objectsOf(spec.initContainers), ...objectsOf(spec.containers)]) {
    setContainerDefaults(container);
    if (spec.hostNetwork !== true) continue;
    for (const port of objectsOf(container.ports)) setIfMissing(port, { hostPort: port.containerPort ?? 0 });
  }
  for (const volume of objectsOf(spec.volumes)) {
    if (Object.keys(volume).length === 1 && volume.name !== undefined) volume.emptyDir = {};
  }
}

function setDefaults(pod: KubeObject): void {
  if (!isObject(pod.spec)) return;
  setPodSpecDefaults(pod.spec);
  const { spec } = pod;
  setIfMissing(spec, { enableServiceLinks: true });
}

/** What admission plugins add to each new pod: service account, tolerations, priority. */
function prepareCreate(pod: KubeObject): Cause[] {
  const spec = pod.spec ?? {};
  setIfMissing(spec, { serviceAccountName: "default", priority: 0, preemptionPolicy: "PreemptLowerPriority" });
  setIfMissing(spec, { serviceAccount: spec.serviceAccountName });
  const tolerations = objectsOf(spec.tolerations);
  for (const key of ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]) {
    if (tolerations.some((one) => one.key === key || (one.key === undefined && one.operator === "Exists"))) continue;
    tolerations.push({ key, operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 });
  }
  spec.tolerations = tolerations;
  pod.status = { phase: "Pending", qosClass: qosClass(spec) };
  return [];
}

function qosClass(spec: JsonObject): string {
  const containers = [...objectsOf(spec.containers), ...objectsOf(spec.initContainers)];
  const resources = containers.map((container) => objectOr(container.resources));
  const asks = resources.flatMap((one) => [
    ...Object.keys(objectOr(one.requests)),
    ...Object.keys(objectOr(one.limits)),
  ]);
  if (!asks.some((name) => name === "cpu" || name === "memory")) return "BestEffort";
  const guaranteed = resources.every((one) => {
    const limits = objectOr(one.limits);
    const requests = objectOr(one.requests);
    return ["cpu", "memory"].every((name) => {
      return limits[name] !== undefined && (requests[name] === undefined || requests[name] === limits[name]);
    });
  });
  return guaranteed ? "Guaranteed" : "Burstable";
}

function containerCauses(container: JsonObject, path: string, needsImage: boolean): Cause[] {
  const found: Cause[] = [];
  const { name, image, ports } = container;
  if (name === undefined || name === "") found.push(causes.required(`${path}.name`));
  else {
    const fault = labelFault(String(name));
    if (fault !== undefined) found.push(causes.invalid(`${path}.name`, name, fault));
  }
  if (needsImage && (image === undefined || image === "")) found.push(causes.required(`${path}.image`));
  const pullPolicy = container.imagePullPolicy;
  if (!["Always", "IfNotPresent", "Never"].includes(stringOr(pullPolicy))) {
    found.push(causes.notSupported(`${path}.imagePullPolicy`, pullPolicy, ["Always", "IfNotPresent", "Never"]));
  }
  objectsOf(ports).forEach((port, index) => {
    const field = `${path}.ports[${index}]`;
    if (port.containerPort === undefined) found.push(causes.required(`${field}.containerPort`));
    else {
      const fault = portFault(port.containerPort);
      if (fault !== undefined) found.push(causes.invalid(`${field}.containerPort`, port.containerPort, fault));
    }
    if (port.hostPort !== undefined && port.hostPort !== 0) {
      const fault = portFault(port.hostPort);
      if (fault !== undefined) found.push(causes.invalid(`${field}.hostPort`, port.hostPort, fault));
    }
    if (!["TCP", "UDP", "SCTP"].includes(stringOr(port.protocol))) {
      found.push(causes.notSupported(`${field}.protocol`, port.protocol, ["SCTP", "TCP", "UDP"]));
    }
  });
  objectsOf(container.env).forEach((variable, index) => {
    if (stringOr(variable.name) === "") found.push(causes.required(`${path}.env[${index}].name`));
  });
  return found;
}

/** Faults of a PodSpec at `path`. */
export function podSpecCauses(spec: JsonObject | undefined, path: string): Cause[] {
  if (!isObject(spec)) return [causes.required(`${path}.containers`)];
  const found: Cause[] = [];
  const containers = objectsOf(spec.containers);
  if (containers.length === 0) found.push(causes.required(`${path}.containers`));
  const names = new Set<string>();
  for (const [list, label] of [
    [containers, "containers"],
    [objectsOf(spec.initContainers), "initContainers"],
  ] as const) {
    list.forEach((container, index) => {
      found.push(...containerCauses(container, `${path}.${label}[${index}]`, true));
      const name = stringOr(container.name);
      if (name !== "" && names.has(name)) found.push(causes.duplicate(`${path}.${label}[${index}].name`, name));
      names.add(name);
    });
  }
  const restartPolicies = ["Always", "OnFailure", "Never"];
  if (!restartPolicies.includes(stringOr(spec.restartPolicy))) {
    found.push(causes.notSupported(`${path}.restartPolicy`, spec.restartPolicy, restartPolicies));
  }
  const dnsPolicies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
  if (!dnsPolicies.includes(stringOr(spec.dnsPolicy))) {
    found.push(causes.notSupported(`${path}.dnsPolicy`, spec.dnsPolicy, dnsPolicies));
  }
  if (Number(spec.terminationGracePeriodSeconds) < 0) {
    found.push(
      causes.invalid(
        `${path}.terminationGracePeriodSeconds`,
        spec.terminationGracePeriodSeconds,
        "must be greater than or equal to 0",
      ),
    );
  }
  return found;
}

function validate(pod: KubeObject): Cause[] {
  const found = podSpecCauses(pod.spec, "spec");
  const podIPs = objectsOf(pod.status?.podIPs);
  podIPs.forEach(({ ip }, index) => {
    const fault = ipFault(ip);
    if (fault !== undefined) found.push(causes.invalid(`status.podIPs[${index}]`, ip, fault));
  });
  return found;
}

/** What of a pod's spec may change: images, tolerations (added), deadlines, scheduling gates (removed). */
function fixedSpec(spec: JsonObject | undefined): string {
  const {
    tolerations: _t,
    activeDeadlineSeconds: _a,
    schedulingGates: _g,
    ephemeralContainers: _e,
    terminationGracePeriodSeconds: _s,
    ...rest
  } = spec ?? {};
  const unimaged = (list: unknown) => objectsOf(list).map(({ image: _image, ...container }) => container);
  return canonical({
    ...rest,
    containers: unimaged(rest.containers),
    initContainers: unimaged(rest.initContainers),
  });
}

/** JSON with sorted keys. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) =>
    isObject(member) ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1))) : member,
  );
}

function validateUpdate(pod: KubeObject, old: KubeObject): Cause[] {
  if (JSON.stringify(pod.spec) === JSON.stringify(old.spec) || fixedSpec(pod.spec) === fixedSpec(old.spec)) return [];
  return [
    causes.forbidden(
      "spec",
      "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
    ),
  ];
}

function ready({ spec, status }: KubeObject): string {
  const statuses = objectsOf(status?.containerStatuses);
  return `${statuses.filter((one) => one.ready === true).length}/${objectsOf(spec?.containers).length}`;
}

function podStatus({ metadata, status }: KubeObject): string {
  let text = stringOr(status?.reason) || stringOr(status?.phase, "Unknown");
  for (const { state } of objectsOf(status?.containerStatuses)) {
    const waiting = objectOr(objectOr(state).waiting).reason;
    const terminated = objectOr(objectOr(state).terminated).reason;
    if (typeof waiting === "string") text = waiting;
    else if (typeof terminated === "string") text = terminated;
  }
  return metadata.deletionTimestamp === undefined ? text : "Terminating";
}

const columns: readonly Column[] = [
  { name: "Ready", type: "string", description: "Ready containers of all.", cell: ready },
  { name: "Status", type: "string", description: "What the pod is about.", cell: podStatus },
  {
    name: "Restarts",
    type: "string",
    description: "Restarts of its containers.",
    cell: ({ status }) =>
      String(objectsOf(status?.containerStatuses).reduce((sum, one) => sum + Number(one.restartCount ?? 0), 0)),
  },
  ageColumn,
  {
    name: "IP",
    type: "string",
    priority: 1,
    cell: ({ status }) => stringOr(objectsOf(status?.podIPs)[0]?.ip ?? status?.podIP, "<none>"),
  },
  { name: "Node", type: "string", priority: 1, cell: ({ spec }) => stringOr(spec?.nodeName) || "<none>" },
  {
    name: "Nominated Node",
    type: "string",
    priority: 1,
    cell: ({ status }) => stringOr(status?.nominatedNodeName) || "<none>",
  },
  { name: "Readiness Gates", type: "string", priority: 1, cell: () => "<none>" },
];

export const podKind: Kind = {
  group: "",
  kind: "Pod",
  plural: "pods",
  singular: "pod",
  shortNames: ["po"],
  categories: ["all"],
  namespaced: true,
  versions: ["v1"],
  storageVersion: "v1",
  hasStatus: true,
  statusCarriesMetadata: true,
  nameRule: "subdomain",
  returnsDeleted: true,
  fieldNames: [
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.nominatedNodeName",
  ],
  fields: ({ spec, status }) => ({
    "spec.nodeName": stringOr(spec?.nodeName),
    "spec.restartPolicy": stringOr(spec?.restartPolicy),
    "spec.schedulerName": stringOr(spec?.schedulerName),
    "spec.serviceAccountName": stringOr(spec?.serviceAccountName),
    "spec.hostNetwork": String(spec?.hostNetwork === true),
    "status.phase": stringOr(status?.phase),
    "status.podIP": stringOr(status?.podIP),
    "status.nominatedNodeName": stringOr(status?.nominatedNodeName),
  }),
  setDefaults,
  prepareCreate,
  validate,
  validateUpdate,
  columns,
  gracePeriodSeconds({ spec, status }, asked) {
    const phase = status?.phase;
    if (stringOr(spec?.nodeName) === "" || phase === "Succeeded" || phase === "Failed") return 0;
    return asked ?? Number(spec?.terminationGracePeriodSeconds ?? defaultGracePeriodSeconds);
  },
  subresources: ["binding", "eviction", "log", "ephemeralcontainers"],
};
