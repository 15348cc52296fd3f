import {
  adminPolicy,
  all,
  baselinePolicy,
  blue,
  type Case,
  denyAll,
  denyAllEgress,
  everybody,
  inShop,
  matching,
  networkPolicy,
  one,
  red,
  shop,
  web,
} from "./case.ts";

/** AdminNetworkPolicy and BaselineAdminNetworkPolicy. */
export const adminCases: readonly Case[] = [
  one(
    "an AdminNetworkPolicy denies before a NetworkPolicy allows",
    [
      adminPolicy("deny", 10, shop, { ingress: [{ action: "Deny", from: [{ namespaces: blue }] }] }),
      networkPolicy("shop/in", { podSelector: all, ingress: [{}] }),
    ],
    {
      passes: ["play/bot > shop/db tcp 8080"],
      drops: ["bank/api > shop/db tcp 8080", "bank/api > shop/db icmp"],
    },
  ),
  one(
    "an AdminNetworkPolicy allows what a NetworkPolicy isolates",
    [
      adminPolicy("allow", 10, shop, {
        ingress: [{ action: "Allow", from: [{ namespaces: blue }], ports: [{ portNumber: { port: 8080 } }] }],
      }),
      networkPolicy("shop/in", { podSelector: all, ingress: [] }),
    ],
    {
      passes: ["bank/api > shop/db tcp 8080"],
      drops: ["bank/api > shop/db tcp 8081", "play/bot > shop/db tcp 8080", "bank/api > shop/db udp 8080"],
    },
  ),
  one(
    "Pass hands over to NetworkPolicies, past later rules",
    [
      adminPolicy("pass", 10, shop, { ingress: [{ action: "Pass", from: [{ namespaces: blue }] }, denyAll] }),
      networkPolicy("shop/in", {
        podSelector: web,
        ingress: [{ from: [{ namespaceSelector: all }], ports: [{ port: 8080 }] }],
      }),
    ],
    {
      passes: ["bank/api > shop/web-1 tcp 8080", "bank/api > shop/db tcp 8081"],
      drops: ["play/bot > shop/web-1 tcp 8080", "bank/api > shop/web-1 tcp 8081", "shop/web-1 > shop/db tcp 8080"],
    },
  ),
  one(
    "Pass hands over to the baseline where no NetworkPolicy selects",
    [
      adminPolicy("pass", 10, shop, {
        ingress: [
          { action: "Pass", from: [{ namespaces: blue }], ports: [{ portRange: { start: 8080, end: 8081 } }] },
          denyAll,
        ],
      }),
      networkPolicy("shop/in", { podSelector: web, ingress: [{ ports: [{ port: 8081 }] }] }),
      baselinePolicy(everybody, {
        ingress: [{ action: "Allow", from: [{ namespaces: blue }], ports: [{ portNumber: { port: 8080 } }] }, denyAll],
      }),
    ],
    {
      passes: ["bank/api > shop/db tcp 8080", "bank/api > shop/web-1 tcp 8081"],
      drops: [
        "bank/api > shop/db tcp 8081",
        "bank/api > shop/web-1 tcp 8080",
        "bank/api > shop/db tcp 9090",
        "play/bot > bank/api tcp 8080",
      ],
    },
  ),
  one(
    "the first rule that matches decides",
    [
      adminPolicy("order", 10, shop, {
        ingress: [
          { action: "Allow", from: [{ namespaces: red }] },
          { action: "Deny", from: [{ namespaces: all }], ports: [{ portNumber: { port: 8080 } }] },
          { action: "Allow", from: [{ namespaces: all }] },
        ],
      }),
    ],
    {
      passes: ["play/bot > shop/db tcp 8080", "bank/api > shop/db tcp 8081"],
      drops: ["bank/api > shop/db tcp 8080"],
    },
  ),
  one(
    "the lower priority decides first",
    [
      adminPolicy("late", 20, everybody, { ingress: [{ action: "Allow", from: [{ namespaces: all }] }] }),
      adminPolicy("early", 5, shop, { ingress: [{ action: "Deny", from: [{ namespaces: blue }] }] }),
      adminPolicy(
        "first",
        0,
        { pods: { namespaceSelector: all, podSelector: matching({ app: "db" }) } },
        {
          ingress: [
            {
              action: "Allow",
              from: [inShop(web), { pods: { namespaceSelector: blue, podSelector: matching({ app: "api" }) } }],
              ports: [{ portNumber: { protocol: "UDP", port: 8080 } }],
            },
          ],
        },
      ),
    ],
    {
      passes: ["bank/api > shop/db udp 8080", "play/bot > shop/db tcp 8080"],
      drops: ["bank/api > shop/db tcp 8080", "bank/api > shop/web-1 udp 8080"],
    },
  ),
  one(
    "priorities from 0 to 1000",
    [
      adminPolicy("last", 1000, everybody, { egress: [{ action: "Deny", to: [{ namespaces: blue }] }] }),
      adminPolicy("first", 0, shop, {
        egress: [{ action: "Allow", to: [{ namespaces: blue }], ports: [{ portNumber: { port: 8080 } }] }],
      }),
      adminPolicy("middle", 500, shop, {
        egress: [{ action: "Pass", to: [{ namespaces: all }], ports: [{ portNumber: { port: 8081 } }] }],
      }),
    ],
    {
      passes: ["shop/db > bank/api tcp 8080", "shop/db > bank/api tcp 8081", "play/bot > shop/db tcp 9090"],
      drops: ["shop/db > bank/api tcp 9090", "play/bot > bank/api tcp 8080", "play/bot > bank/api tcp 8081"],
    },
  ),
  one(
    "subjects are pods by namespace and pod",
    [adminPolicy("pods", 10, { pods: { namespaceSelector: red, podSelector: web } }, { ingress: [denyAll] })],
    {
      passes: ["bank/api > shop/db tcp 8080", "bank/api > play/bot tcp 8080", "node:node2 > shop/web-1 tcp 8080"],
      drops: ["bank/api > shop/web-1 tcp 8080", "shop/db > play/cat tcp 8080"],
    },
  ),
  one(
    "named ports and ranges of an AdminNetworkPolicy",
    [
      adminPolicy("ports", 10, shop, {
        ingress: [
          {
            action: "Deny",
            from: [{ namespaces: all }],
            ports: [{ namedPort: "both" }, { portRange: { protocol: "UDP", start: 9000, end: 9999 } }],
          },
        ],
      }),
    ],
    {
      passes: ["bank/api > shop/web-1 tcp 8081", "bank/api > shop/web-2 tcp 9090"],
      drops: ["bank/api > shop/web-1 tcp 9090", "bank/api > shop/web-1 udp 8081", "bank/api > shop/db udp 9090"],
    },
  ),
  one(
    "named ports of an AdminNetworkPolicy out",
    [
      adminPolicy(
        "ports",
        10,
        { namespaces: matching({ "kubernetes.io/metadata.name": "play" }) },
        { egress: [{ action: "Allow", to: [{ namespaces: all }], ports: [{ namedPort: "http" }] }, denyAllEgress] },
      ),
    ],
    {
      passes: ["play/bot > shop/web-1 tcp 8080", "play/bot > shop/web-2 tcp 8081", "play/bot > shop/db tcp 9090"],
      drops: ["play/bot > shop/web-1 tcp 8081", "play/bot > bank/vault tcp 8080"],
    },
  ),
  one(
    "nodes as destinations",
    [
      adminPolicy("nodes", 10, shop, {
        egress: [
          { action: "Allow", to: [{ nodes: matching({ rack: "b" }) }] },
          { action: "Deny", to: [{ nodes: all }] },
        ],
      }),
    ],
    {
      passes: [
        "shop/db > play/host tcp 8180",
        "shop/db > node:node2 icmp",
        "shop/db > bank/api tcp 8080",
        "bank/api > node:node1 tcp 8180",
      ],
      drops: ["shop/db > node:node1 tcp 8180", "shop/web-2 > node:node1 icmp"],
    },
  ),
  one(
    "networks as destinations are pods and nodes too",
    [
      adminPolicy("networks", 10, shop, {
        egress: [{ action: "Deny", to: [{ networks: ["10.244.1.0/24", "172.18.0.11/32"] }] }],
      }),
    ],
    {
      passes: ["shop/db > bank/vault tcp 8080", "shop/db > node:node2 tcp 8180"],
      drops: ["shop/db > bank/api tcp 8080", "shop/db > node:node1 tcp 8180", "shop/db > bank/api icmp"],
    },
  ),
  one(
    "a baseline denies where no NetworkPolicy selects",
    [
      baselinePolicy(everybody, { ingress: [denyAll] }),
      networkPolicy("shop/in", { podSelector: web, ingress: [{ from: [{ namespaceSelector: blue }] }] }),
    ],
    {
      passes: ["bank/api > shop/web-1 tcp 8080", "node:node1 > bank/vault tcp 8080", "node:node1 > bank/api tcp 8080"],
      drops: ["bank/api > shop/db tcp 8080", "play/bot > bank/api tcp 8080"],
    },
  ),
  one(
    "a baseline has no say in a direction that a NetworkPolicy isolates",
    [
      baselinePolicy(everybody, {
        ingress: [denyAll],
        egress: [{ action: "Deny", to: [{ networks: ["0.0.0.0/0", "::/0"] }] }],
      }),
      networkPolicy("shop/out", { podSelector: all, policyTypes: ["Egress"], egress: [{}] }),
      networkPolicy("bank/in", { podSelector: all, ingress: [{}] }),
    ],
    {
      passes: ["shop/db > bank/api tcp 8080", "shop/db > node:node1 tcp 8180"],
      drops: ["bank/api > shop/db tcp 8080", "play/bot > bank/api tcp 8080", "shop/db > play/bot tcp 8080"],
    },
  ),
  one(
    "equal priorities: the older by name where none is older",
    [
      adminPolicy("b", 7, shop, { ingress: [{ action: "Allow", from: [{ namespaces: all }] }] }),
      adminPolicy("a", 7, shop, { ingress: [{ action: "Deny", from: [{ namespaces: blue }] }] }),
    ],
    { passes: ["play/bot > shop/db tcp 8080"], drops: ["bank/api > shop/db tcp 8080"] },
  ),
];
