import {
  adminPolicy,
  all,
  blue,
  type Case,
  denyAll,
  denyAllEgress,
  everybody,
  matching,
  networkPolicy,
  one,
  red,
  web,
} from "./case.ts";

/** Nodes, services, replies, the pod itself, and labels that change. */
export const endsCases: readonly Case[] = [
  one(
    "a node reaches its own pods whatever policies say",
    [
      networkPolicy("shop/in", { podSelector: all, ingress: [] }),
      adminPolicy("deny", 1, everybody, { ingress: [denyAll] }),
    ],
    {
      passes: [
        "node:node1 > shop/web-1 tcp 8080",
        "node:node2 > shop/web-2 udp 8080",
        "play/host > shop/web-2 tcp 8080",
        "node:node1 > shop/db icmp",
        "node:node1 > shop/db sctp 8080",
      ],
      drops: ["node:node2 > shop/web-1 tcp 8080"],
    },
  ),
  one(
    "a pod reaches itself, also through a service",
    [
      networkPolicy("shop/none", { podSelector: all, policyTypes: ["Ingress", "Egress"] }),
      adminPolicy("deny", 1, everybody, { ingress: [denyAll], egress: [denyAllEgress] }),
    ],
    {
      passes: ["shop/web-1 > service:shop/web-1 tcp 80", "bank/vault > service:bank/vault udp 80"],
      drops: ["shop/web-1 > service:shop/web-2 tcp 80", "shop/web-1 > shop/web-2 tcp 8080"],
    },
  ),
  one(
    "a service is judged by its backend and the backend's port",
    [
      networkPolicy("play/out", {
        podSelector: all,
        policyTypes: ["Egress"],
        egress: [
          {
            to: [{ namespaceSelector: blue, podSelector: matching({ app: "api" }) }],
            ports: [{ port: 8080 }, { protocol: "UDP", port: 8081 }],
          },
        ],
      }),
    ],
    {
      passes: [
        "play/bot > service:bank/api tcp 80",
        "play/bot > service:bank/api udp 80",
        "play/bot > service:bank/api tcp 81",
      ],
      drops: ["play/bot > service:bank/vault tcp 80", "play/bot > service:bank/api sctp 9090"],
    },
  ),
  one(
    "pods on their node's network are selected by nobody",
    [
      networkPolicy("play/none", { podSelector: web, policyTypes: ["Ingress", "Egress"] }),
      networkPolicy("bank/in", {
        podSelector: all,
        ingress: [{ from: [{ namespaceSelector: all, podSelector: web }] }],
      }),
    ],
    {
      passes: ["shop/db > play/host tcp 8180", "play/host > shop/db tcp 8080"],
      drops: ["play/cat > play/bot tcp 8080", "play/host > bank/vault tcp 8080"],
    },
  ),
  one(
    "replies pass though the way back is closed",
    [
      networkPolicy("shop/in", { podSelector: all, policyTypes: ["Ingress"] }),
      networkPolicy("bank/out", { podSelector: all, policyTypes: ["Egress"] }),
    ],
    {
      passes: [
        "shop/web-1 > bank/api tcp 8080",
        "shop/web-1 > bank/vault udp 8080",
        "shop/web-1 > bank/vault sctp 8080",
        "shop/db > bank/api icmp",
      ],
      drops: ["bank/api > shop/web-1 tcp 8080", "bank/vault > shop/web-1 udp 8080"],
    },
  ),
  one("a policy of another namespace is no concern", [networkPolicy("bank/in", { podSelector: web, ingress: [] })], {
    passes: ["shop/db > shop/web-1 tcp 8080", "shop/db > play/cat tcp 8080"],
  }),
  one(
    "a relabelled pod leaves one policy and enters another",
    [networkPolicy("shop/in", { podSelector: web, ingress: [{ from: [{ podSelector: matching({ app: "db" }) }] }] })],
    {
      podLabels: { "shop/web-1": { app: "db" }, "shop/db": { app: "web" } },
      passes: ["play/bot > shop/web-1 tcp 8080", "shop/web-1 > shop/db tcp 8080"],
      drops: ["play/bot > shop/db tcp 8080", "shop/web-2 > shop/db tcp 8080"],
    },
  ),
  one(
    "a relabelled namespace is selected by its new labels",
    [networkPolicy("bank/in", { podSelector: all, ingress: [{ from: [{ namespaceSelector: red }] }] })],
    {
      namespaceLabels: { shop: { team: "green" }, bank: { team: "red" } },
      passes: ["play/bot > bank/api tcp 8080", "bank/api > bank/vault tcp 8080"],
      drops: ["shop/db > bank/api tcp 8080"],
    },
  ),
  one(
    "the labels are back",
    [networkPolicy("bank/in", { podSelector: all, ingress: [{ from: [{ namespaceSelector: red }] }] })],
    {
      passes: ["play/bot > bank/api tcp 8080", "shop/db > bank/api tcp 8080"],
      drops: ["bank/api > bank/vault tcp 8080"],
    },
  ),
];
