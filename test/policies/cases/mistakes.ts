import {
  adminPolicy,
  all,
  baselinePolicy,
  blue,
  type Case,
  clusterPolicy,
  denyAll,
  everybody,
  matching,
  networkPolicy,
  one,
  red,
  shop,
  web,
} from "./case.ts";

/** What can't be understood fails closed. */
export const mistakesCases: readonly Case[] = [
  one(
    "a podSelector that can't be read isolates the namespace",
    [
      networkPolicy("shop/bad", {
        podSelector: { matchExpressions: [{ key: "app", operator: "Like", values: ["w"] }] },
        ingress: [{}],
      }),
    ],
    {
      drops: ["bank/api > shop/db tcp 8080", "shop/db > bank/api tcp 8080"],
      passes: ["play/bot > bank/api tcp 8080", "node:node1 > shop/db tcp 8080"],
    },
  ),
  one(
    "an endPort below its port allows nothing",
    [
      networkPolicy("shop/bad", {
        podSelector: all,
        ingress: [
          {
            ports: [
              { port: 8081, endPort: 8080 },
              { protocol: "UDP", port: 8080 },
            ],
          },
        ],
      }),
    ],
    {
      passes: ["bank/api > shop/db udp 8080"],
      drops: ["bank/api > shop/db tcp 8081", "bank/api > shop/db tcp 8080", "bank/api > shop/db icmp"],
    },
  ),
  one(
    "an endPort beside a name allows nothing",
    [networkPolicy("shop/bad", { podSelector: all, ingress: [{ ports: [{ port: "http", endPort: 9090 }] }] })],
    {
      drops: ["bank/api > shop/web-1 tcp 8080", "bank/api > shop/web-1 tcp 9090"],
    },
  ),
  one(
    "a network that can't be read lets nobody in",
    [
      networkPolicy("shop/bad", {
        podSelector: all,
        ingress: [{ from: [{ ipBlock: { cidr: "10.244.0.0" } }, { podSelector: web }] }],
      }),
    ],
    {
      passes: ["shop/web-1 > shop/db tcp 8080"],
      drops: ["bank/api > shop/db tcp 8080"],
    },
  ),
  one(
    "an except that can't be read lets nobody in",
    [
      networkPolicy("shop/bad", {
        podSelector: all,
        ingress: [{ from: [{ ipBlock: { cidr: "10.244.0.0/16", except: ["10.244.1.0/33"] } }] }],
      }),
    ],
    {
      drops: ["bank/api > shop/db tcp 8080", "bank/vault > shop/db tcp 8080"],
    },
  ),
  one(
    "a peer with nothing in it is nobody",
    [networkPolicy("shop/bad", { podSelector: all, ingress: [{ from: [{}] }] })],
    {
      drops: ["bank/api > shop/db tcp 8080", "shop/web-1 > shop/db tcp 8080"],
    },
  ),
  one(
    "an ipBlock beside a selector is nobody",
    [
      networkPolicy("shop/bad", {
        podSelector: all,
        ingress: [{ from: [{ podSelector: all, ipBlock: { cidr: "0.0.0.0/0" } }] }],
      }),
    ],
    {
      drops: ["shop/web-1 > shop/db tcp 8080", "bank/api > shop/db tcp 8080"],
    },
  ),
  one(
    "a named port on an ipBlock of egress matches nothing",
    [
      networkPolicy("shop/bad", {
        podSelector: all,
        policyTypes: ["Egress"],
        egress: [{ to: [{ ipBlock: { cidr: "0.0.0.0/0" } }, { namespaceSelector: red }], ports: [{ port: "http" }] }],
      }),
    ],
    {
      passes: ["shop/web-1 > shop/web-2 tcp 8081"],
      drops: ["shop/web-1 > bank/api tcp 8080", "shop/web-1 > shop/web-2 tcp 8080"],
    },
  ),
  one(
    "a named port on an ipBlock of ingress is what the own pods call so",
    [
      networkPolicy("shop/in", {
        podSelector: all,
        ingress: [{ from: [{ ipBlock: { cidr: "10.244.0.0/16" } }], ports: [{ port: "http" }] }],
      }),
    ],
    {
      passes: ["bank/api > shop/web-1 tcp 8080", "bank/api > shop/web-2 tcp 8081"],
      drops: ["bank/api > shop/web-2 tcp 8080"],
    },
  ),
  one(
    "an unknown protocol allows nothing",
    [networkPolicy("shop/bad", { podSelector: all, ingress: [{ ports: [{ protocol: "ICMP" }] }] })],
    {
      drops: ["bank/api > shop/db icmp", "bank/api > shop/db tcp 8080"],
    },
  ),
  one(
    "an unknown policyType isolates both ways",
    [networkPolicy("shop/bad", { podSelector: all, policyTypes: ["Sideways"] })],
    {
      drops: ["bank/api > shop/db tcp 8080", "shop/db > bank/api tcp 8080"],
    },
  ),
  one(
    "an unknown peer of an allow matches nothing, of a deny everything",
    [
      adminPolicy("allow", 1, shop, { ingress: [{ action: "Allow", from: [{}, { namespaces: all }] }] }),
      adminPolicy(
        "deny",
        2,
        { namespaces: blue },
        { ingress: [{ action: "Deny", from: [{}], ports: [{ portNumber: { port: 8080 } }] }] },
      ),
      networkPolicy("shop/in", { podSelector: all, ingress: [] }),
    ],
    {
      drops: [
        "bank/api > shop/db tcp 8080",
        "shop/db > bank/api tcp 8080",
        "shop/db > bank/api udp 8081",
        "shop/db > bank/api icmp",
      ],
      passes: ["shop/db > play/bot tcp 8080", "node:node2 > bank/api tcp 8080"],
    },
  ),
  one(
    "an unknown peer of a pass counts as deny",
    [
      clusterPolicy("pass", "Admin", 1, shop, {
        egress: [
          { action: "Pass", to: [{}] },
          { action: "Accept", to: [{ namespaces: all }] },
        ],
      }),
    ],
    {
      drops: ["shop/db > bank/api tcp 8080", "shop/db > node:node1 icmp"],
      passes: ["bank/api > shop/db tcp 8080"],
    },
  ),
  one(
    "domain names in a deny are unknown: it denies everything",
    [clusterPolicy("deny", "Admin", 1, shop, { egress: [{ action: "Deny", to: [{ domainNames: ["example.com"] }] }] })],
    {
      drops: ["shop/db > bank/api tcp 8080"],
    },
  ),
  one(
    "nodes can't be a source: such a deny denies everything",
    [clusterPolicy("deny", "Admin", 1, shop, { ingress: [{ action: "Deny", from: [{ nodes: all }] }] })],
    {
      drops: ["bank/api > shop/db tcp 8080", "node:node2 > shop/db tcp 8080"],
      passes: ["node:node1 > shop/db tcp 8080"],
    },
  ),
  one(
    "a network that can't be read in a deny denies everything",
    [adminPolicy("deny", 1, shop, { egress: [{ action: "Deny", to: [{ networks: ["300.0.0.0/8"] }] }] })],
    {
      drops: ["shop/db > bank/api tcp 8080", "shop/db > node:node2 tcp 8180"],
    },
  ),
  one(
    "Pass in a baseline counts as deny",
    [baselinePolicy(shop, { ingress: [{ action: "Pass", from: [{ namespaces: blue }] }] })],
    {
      drops: ["bank/api > shop/db tcp 8080", "play/bot > shop/db tcp 8080"],
    },
  ),
  one(
    "an unknown action counts as deny",
    [clusterPolicy("bad", "Admin", 1, shop, { ingress: [{ action: "Allow", from: [{ namespaces: blue }] }] })],
    {
      drops: ["bank/api > shop/db tcp 8080", "play/bot > shop/db tcp 8080"],
    },
  ),
  one(
    "an unknown tier denies in tier Admin and allows nothing",
    [
      clusterPolicy("bad", "Middle", 0, shop, {
        ingress: [
          { action: "Accept", from: [{ namespaces: all }] },
          { action: "Pass", from: [{ namespaces: blue }] },
        ],
      }),
      adminPolicy("allow", 1, shop, { ingress: [{ action: "Allow", from: [{ namespaces: blue }] }] }),
      networkPolicy("shop/in", { podSelector: matching({ app: "db" }), ingress: [] }),
    ],
    {
      passes: ["play/bot > shop/web-1 tcp 8080"],
      drops: ["bank/api > shop/web-1 tcp 8080", "play/bot > shop/db tcp 8080"],
    },
  ),
  one(
    "a priority beyond 1000 denies first of all and allows nothing",
    [
      adminPolicy("bad", 1001, shop, {
        ingress: [
          { action: "Allow", from: [{ namespaces: red }] },
          { action: "Deny", from: [{ namespaces: blue }] },
        ],
      }),
      networkPolicy("shop/in", { podSelector: matching({ app: "db" }), ingress: [] }),
    ],
    {
      passes: ["play/bot > shop/web-1 tcp 8080"],
      drops: ["bank/api > shop/web-1 tcp 8080", "play/bot > shop/db tcp 8080"],
    },
  ),
  one("a subject that can't be read selects nobody", [adminPolicy("bad", 1, {}, { ingress: [denyAll] })], {
    passes: ["bank/api > shop/db tcp 8080"],
  }),
  one("a baseline of another name selects nobody", [baselinePolicy(everybody, { ingress: [denyAll] }, "other")], {
    passes: ["bank/api > shop/db tcp 8080"],
  }),
  one(
    "a port that can't be read: a deny denies everything, an allow nothing",
    [
      clusterPolicy("bad", "Admin", 1, shop, {
        ingress: [
          {
            action: "Accept",
            from: [{ namespaces: all }],
            protocols: [{ tcp: { destinationPort: { range: { start: 9, end: 8 } } } }],
          },
        ],
      }),
      adminPolicy(
        "deny",
        2,
        { namespaces: blue },
        { ingress: [{ action: "Deny", from: [{ namespaces: red }], ports: [{}] }] },
      ),
      networkPolicy("shop/in", { podSelector: all, ingress: [] }),
    ],
    {
      drops: ["bank/api > shop/db tcp 8080", "shop/db > bank/api udp 8080", "bank/vault > bank/api tcp 8080"],
    },
  ),
];
