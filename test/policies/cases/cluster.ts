import {
  adminPolicy,
  all,
  baselinePolicy,
  blue,
  type Case,
  clusterPolicy,
  denyAll,
  denyAllEgress,
  everybody,
  matching,
  networkPolicy,
  one,
  red,
  shop,
  web,
} from "./case.ts";

/** ClusterNetworkPolicy in both of its tiers. */
export const clusterCases: readonly Case[] = [
  one(
    "a ClusterNetworkPolicy of tier Admin accepts, denies and passes",
    [
      clusterPolicy("c", "Admin", 3, shop, {
        ingress: [
          {
            action: "Accept",
            from: [{ namespaces: blue }],
            protocols: [{ tcp: { destinationPort: { number: 8080 } } }],
          },
          {
            action: "Pass",
            from: [{ namespaces: blue }],
            protocols: [{ udp: { destinationPort: { range: { start: 8080, end: 8081 } } } }],
          },
          { action: "Deny", from: [{ namespaces: all }] },
        ],
      }),
      networkPolicy("shop/in", { podSelector: web, ingress: [] }),
    ],
    {
      passes: ["bank/api > shop/web-1 tcp 8080", "bank/api > shop/db udp 8081"],
      drops: [
        "bank/api > shop/web-1 udp 8080",
        "bank/api > shop/db udp 9090",
        "play/bot > shop/db tcp 8080",
        "bank/api > shop/db icmp",
      ],
    },
  ),
  one(
    "policies of both kinds stand in one order in tier Admin",
    [
      adminPolicy("a", 5, everybody, { ingress: [{ action: "Deny", from: [{ namespaces: blue }] }] }),
      clusterPolicy("c", "Admin", 4, shop, {
        ingress: [
          {
            action: "Accept",
            from: [{ namespaces: blue }],
            protocols: [{ tcp: { destinationPort: { number: 8080 } } }],
          },
        ],
      }),
      clusterPolicy("d", "Admin", 6, everybody, { ingress: [{ action: "Accept", from: [{ namespaces: all }] }] }),
    ],
    {
      passes: ["bank/api > shop/db tcp 8080", "shop/db > bank/api udp 8080"],
      drops: ["bank/api > shop/db tcp 8081", "bank/api > play/bot tcp 8080"],
    },
  ),
  one(
    "ClusterNetworkPolicies of tier Baseline come before the baseline",
    [
      clusterPolicy("c", "Baseline", 900, shop, {
        ingress: [
          { action: "Accept", from: [{ namespaces: red }] },
          { action: "Pass", from: [{ namespaces: blue }], protocols: [{ tcp: { destinationPort: { number: 8081 } } }] },
        ],
      }),
      baselinePolicy(everybody, { ingress: [denyAll] }),
      networkPolicy("shop/in", { podSelector: matching({ app: "db" }), ingress: [{ ports: [{ port: 8080 }] }] }),
    ],
    {
      passes: ["play/bot > shop/web-1 tcp 8080", "bank/api > shop/web-1 tcp 8081", "bank/api > shop/db tcp 8080"],
      drops: ["bank/api > shop/web-1 tcp 8080", "play/bot > shop/db tcp 9090", "shop/db > bank/api tcp 8080"],
    },
  ),
  one(
    "Pass in tier Baseline ends in what Kubernetes does without policies",
    [
      clusterPolicy("c", "Baseline", 1, everybody, {
        egress: [{ action: "Pass", to: [{ namespaces: blue }] }, denyAllEgress],
      }),
      clusterPolicy("d", "Baseline", 2, everybody, { egress: [denyAllEgress] }),
    ],
    {
      passes: ["shop/db > bank/api tcp 8080", "shop/db > play/host tcp 8180"],
      drops: ["shop/db > play/bot tcp 8080", "bank/api > shop/db tcp 8080"],
    },
  ),
  one(
    "Pass from tier Admin to the Baseline of both kinds",
    [
      clusterPolicy("p", "Admin", 1, everybody, { egress: [{ action: "Pass", to: [{ namespaces: all }] }] }),
      clusterPolicy("q", "Admin", 2, everybody, {
        egress: [{ action: "Deny", to: [{ networks: ["0.0.0.0/0", "::/0"] }] }],
      }),
      clusterPolicy("b", "Baseline", 2, shop, { egress: [{ action: "Deny", to: [{ namespaces: blue }] }] }),
      networkPolicy("shop/out", {
        podSelector: web,
        policyTypes: ["Egress"],
        egress: [{ to: [{ namespaceSelector: blue }] }],
      }),
    ],
    {
      passes: ["shop/web-1 > bank/api tcp 8080", "shop/db > play/bot tcp 8080"],
      drops: ["shop/db > bank/api tcp 8080", "shop/web-1 > play/bot tcp 8080", "play/bot > node:node1 icmp"],
    },
  ),
  one(
    "Accept takes ICMP where it names no protocol",
    [clusterPolicy("c", "Admin", 1, shop, { ingress: [{ action: "Accept", from: [{ namespaces: blue }] }, denyAll] })],
    {
      passes: ["bank/api > shop/db icmp", "bank/api > shop/db sctp 8080"],
      drops: ["play/bot > shop/db icmp"],
    },
  ),
  one(
    "named ports of a ClusterNetworkPolicy",
    [
      clusterPolicy(
        "c",
        "Admin",
        1,
        { pods: { namespaceSelector: all, podSelector: all } },
        {
          ingress: [
            {
              action: "Deny",
              from: [{ namespaces: all }],
              protocols: [{ destinationNamedPort: "http" }, { sctp: { destinationPort: { number: 8080 } } }],
            },
          ],
        },
      ),
    ],
    {
      passes: ["bank/api > shop/web-1 tcp 8081"],
      drops: [
        "bank/api > shop/web-1 tcp 8080",
        "bank/api > shop/web-2 tcp 8081",
        "shop/db > play/cat tcp 8081",
        "shop/db > play/bot sctp 8080",
      ],
    },
  ),
  one(
    "domain names that stand for nothing yet let nothing through",
    [
      clusterPolicy(
        "c",
        "Admin",
        1,
        { namespaces: matching({ "kubernetes.io/metadata.name": "play" }) },
        {
          egress: [
            { action: "Accept", to: [{ domainNames: ["*.example.com"] }] },
            { action: "Deny", to: [{ networks: ["0.0.0.0/0", "::/0"] }] },
          ],
        },
      ),
    ],
    {
      passes: ["shop/db > bank/api tcp 8080"],
      drops: ["play/bot > bank/api tcp 8080", "play/bot > node:node1 tcp 8180"],
    },
  ),
];
