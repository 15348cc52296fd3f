import { labelCauses } from "../metadata.ts";
import { isObject, type KubeObject, objectOr, objectsOf, stringOr } from "../object.ts";
import type { Kind } from "../resource.ts";
import { ageColumn } from "../serve/table.ts";
import { type Cause, causes } from "../status.ts";

/** Kinds that are little more than storage. */
function plain(options: Omit<Kind, "versions" | "storageVersion" | "singular" | "nameRule"> & Partial<Kind>): Kind {
  return {
    versions: ["v1"],
    storageVersion: "v1",
    singular: options.kind.toLowerCase(),
    nameRule: "subdomain",
    ...options,
  };
}

const size = (value: unknown) => (isObject(value) ? Object.keys(value).length : 0);
const dataKey = /^[-._a-zA-Z0-9]+$/;

function dataCauses(object: KubeObject, field: string): Cause[] {
  const data = object[field];
  if (!isObject(data)) return [];
  return Object.keys(data).flatMap((key) =>
    dataKey.test(key) && key.length <= 253
      ? []
      : [
          causes.invalid(
            `${field}[${key}]`,
            key,
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
          ),
        ],
  );
}

const immutable =
  (...fields: readonly string[]) =>
  (next: KubeObject, old: KubeObject): Cause[] =>
    old.immutable !== true
      ? []
      : fields.flatMap((field) =>
          JSON.stringify(next[field]) === JSON.stringify(old[field])
            ? []
            : [causes.forbidden(field, "field is immutable when `immutable` is set")],
        );

const configMap = plain({
  group: "",
  kind: "ConfigMap",
  plural: "configmaps",
  shortNames: ["cm"],
  namespaced: true,
  validate: (object) => [...dataCauses(object, "data"), ...dataCauses(object, "binaryData")],
  validateUpdate: immutable("data", "binaryData"),
  columns: [
    { name: "Data", type: "integer", cell: (object) => size(object.data) + size(object.binaryData) },
    ageColumn,
  ],
});

const secret = plain({
  group: "",
  kind: "Secret",
  plural: "secrets",
  namespaced: true,
  fieldNames: ["type"],
  fields: (object) => ({ type: stringOr(object.type) }),
  setDefaults(object) {
    object.type ??= "Opaque";
    if (!isObject(object.stringData)) return;
    const data = objectOr(object.data);
    for (const [key, value] of Object.entries(object.stringData))
      data[key] = Buffer.from(stringOr(value)).toString("base64");
    object.data = data;
    delete object.stringData;
  },
  validate: (object) => [
    ...dataCauses(object, "data"),
    ...Object.entries(objectOr(object.data)).flatMap(([key, value]) =>
      typeof value === "string" && /^[A-Za-z0-9+/]*={0,2}$/.test(value) && value.length % 4 === 0
        ? []
        : [causes.invalid(`data[${key}]`, "<hidden>", "must be base64")],
    ),
  ],
  validateUpdate: (next, old) => [
    ...immutable("data")(next, old),
    ...(next.type === old.type ? [] : [causes.invalid("type", next.type, "field is immutable")]),
  ],
  columns: [
    { name: "Type", type: "string", cell: (object) => stringOr(object.type) },
    { name: "Data", type: "integer", cell: (object) => size(object.data) },
    ageColumn,
  ],
});

const serviceAccount = plain({
  group: "",
  kind: "ServiceAccount",
  plural: "serviceaccounts",
  shortNames: ["sa"],
  namespaced: true,
  returnsDeleted: true,
  columns: [{ name: "Secrets", type: "integer", cell: (object) => objectsOf(object.secrets).length }, ageColumn],
});

const lease = plain({
  group: "coordination.k8s.io",
  kind: "Lease",
  plural: "leases",
  namespaced: true,
  validate({ spec }) {
    const found: Cause[] = [];
    const duration = spec?.leaseDurationSeconds;
    if (duration !== undefined && Number(duration) <= 0) {
      found.push(causes.invalid("spec.leaseDurationSeconds", duration, "must be greater than 0"));
    }
    const transitions = spec?.leaseTransitions;
    if (transitions !== undefined && Number(transitions) < 0) {
      found.push(causes.invalid("spec.leaseTransitions", transitions, "must be greater than or equal to 0"));
    }
    return found;
  },
  columns: [{ name: "Holder", type: "string", cell: ({ spec }) => stringOr(spec?.holderIdentity) }, ageColumn],
});

const cidrText = /^[0-9a-fA-F.:]+\/\d{1,3}$/;

function peerCauses(peer: unknown, field: string): Cause[] {
  if (!isObject(peer)) return [];
  const { ipBlock, podSelector, namespaceSelector } = peer;
  if (ipBlock === undefined && podSelector === undefined && namespaceSelector === undefined) {
    return [causes.required(field, "must specify a peer")];
  }
  const found = [
    ...labelCauses(objectOr(podSelector).matchLabels, `${field}.podSelector.matchLabels`),
    ...labelCauses(objectOr(namespaceSelector).matchLabels, `${field}.namespaceSelector.matchLabels`),
  ];
  if (!isObject(ipBlock)) return found;
  if (podSelector !== undefined || namespaceSelector !== undefined) {
    found.push(causes.forbidden(field, "may not specify both ipBlock and another peer"));
  }
  if (!cidrText.test(stringOr(ipBlock.cidr))) {
    found.push(
      causes.invalid(
        `${field}.ipBlock.cidr`,
        ipBlock.cidr ?? "",
        "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",
      ),
    );
  }
  return found;
}

function policyCauses({ spec }: KubeObject): Cause[] {
  const found = labelCauses(objectOr(spec?.podSelector).matchLabels, "spec.podSelector.matchLabels");
  for (const [direction, peers] of [
    ["ingress", "from"],
    ["egress", "to"],
  ] as const) {
    objectsOf(spec?.[direction]).forEach((rule, index) => {
      const field = `spec.${direction}[${index}]`;
      objectsOf(rule[peers]).forEach((peer, at) => {
        found.push(...peerCauses(peer, `${field}.${peers}[${at}]`));
      });
      objectsOf(rule.ports).forEach((port, at) => {
        if (!["TCP", "UDP", "SCTP"].includes(stringOr(port.protocol))) {
          found.push(causes.notSupported(`${field}.ports[${at}].protocol`, port.protocol, ["SCTP", "TCP", "UDP"]));
        }
        if (port.endPort !== undefined && Number(port.endPort) < Number(port.port)) {
          found.push(
            causes.invalid(`${field}.ports[${at}].endPort`, port.endPort, "must be greater than or equal to `port`"),
          );
        }
      });
    });
  }
  const types = Array.isArray(spec?.policyTypes) ? spec.policyTypes : [];
  types.forEach((type, index) => {
    if (type !== "Ingress" && type !== "Egress") {
      found.push(causes.notSupported(`spec.policyTypes[${index}]`, type, ["Egress", "Ingress"]));
    }
  });
  return found;
}

const networkPolicy = plain({
  group: "networking.k8s.io",
  kind: "NetworkPolicy",
  plural: "networkpolicies",
  shortNames: ["netpol"],
  namespaced: true,
  hasGeneration: true,
  setDefaults(policy) {
    policy.spec ??= {};
    const { spec } = policy;
    spec.podSelector ??= {};
    for (const rule of [...objectsOf(spec.ingress), ...objectsOf(spec.egress)]) {
      for (const port of objectsOf(rule.ports)) port.protocol ??= "TCP";
    }
    if (!Array.isArray(spec.policyTypes) || spec.policyTypes.length === 0) {
      spec.policyTypes = objectsOf(spec.egress).length === 0 ? ["Ingress"] : ["Ingress", "Egress"];
    }
  },
  validate: policyCauses,
  columns: [
    {
      name: "Pod-Selector",
      type: "string",
      cell: ({ spec }) =>
        Object.entries(objectOr(objectOr(spec?.podSelector).matchLabels))
          .map(([key, value]) => `${key}=${String(value)}`)
          .join(",") || "<none>",
    },
    ageColumn,
  ],
});

const rbac = (kind: string, namespaced: boolean): Kind =>
  plain({
    group: "rbac.authorization.k8s.io",
    kind,
    plural: `${kind.toLowerCase()}s`,
    namespaced,
    nameRule: "path",
    ...(kind.endsWith("Binding")
      ? {
          columns: [
            {
              name: "Role",
              type: "string",
              cell: (object: KubeObject) => {
                const role = objectOr(object.roleRef);
                return `${stringOr(role.kind)}/${stringOr(role.name)}`;
              },
            },
            ageColumn,
          ],
        }
      : {}),
  });

export const plainKinds: readonly Kind[] = [
  configMap,
  secret,
  serviceAccount,
  lease,
  networkPolicy,
  rbac("Role", true),
  rbac("RoleBinding", true),
  rbac("ClusterRole", false),
  rbac("ClusterRoleBinding", false),
];
