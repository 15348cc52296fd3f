import { all, blue, type Case, matching, networkPolicy, one, red, web } from "./case.ts";

/** Whom NetworkPolicies select, and whom they let in and out. */
export const podsCases: readonly Case[] = [
  one("without policies everything passes", [], {
    passes: [
      "shop/web-1 > bank/vault tcp 8080",
      "shop/web-1 > bank/vault udp 8081",
      "play/bot > shop/db sctp 9090",
      "bank/api > shop/db icmp",
    ],
  }),
  one(
    "an empty list of ingress rules denies all ingress of whom it selects",
    [networkPolicy("shop/deny", { podSelector: web, ingress: [] })],
    {
      passes: ["shop/web-1 > shop/db tcp 8080", "shop/web-1 > bank/api tcp 8080", "node:node1 > shop/web-1 tcp 8080"],
      drops: [
        "shop/db > shop/web-1 tcp 8080",
        "bank/api > shop/web-2 udp 8080",
        "play/bot > shop/web-1 sctp 8080",
        "play/bot > shop/web-1 icmp",
        "shop/web-1 > shop/web-2 tcp 8080",
      ],
    },
  ),
  one(
    "an empty podSelector selects all pods of the namespace and none of another",
    [networkPolicy("bank/deny", { podSelector: all })],
    {
      passes: ["bank/api > shop/db tcp 8080", "shop/db > play/cat tcp 8080"],
      drops: ["bank/api > bank/vault tcp 8080", "shop/db > bank/api tcp 8080"],
    },
  ),
  one(
    "policyTypes are ingress only where there are no egress rules",
    [networkPolicy("shop/deny", { podSelector: all, egress: [] })],
    {
      passes: ["shop/db > bank/api tcp 8080"],
      drops: ["bank/api > shop/db tcp 8080", "shop/web-1 > shop/db tcp 8080"],
    },
  ),
  one(
    "policyTypes are both where there are egress rules",
    [networkPolicy("shop/some", { podSelector: all, egress: [{ ports: [{ port: 8080 }] }] })],
    {
      passes: ["shop/db > bank/api tcp 8080"],
      drops: [
        "shop/db > bank/api tcp 8081",
        "shop/db > bank/api udp 8080",
        "bank/api > shop/db tcp 8080",
        "shop/db > bank/api icmp",
      ],
    },
  ),
  one(
    "policyTypes Egress alone isolates egress and leaves ingress rules out",
    [networkPolicy("shop/out", { podSelector: all, policyTypes: ["Egress"], ingress: [] })],
    {
      passes: ["bank/api > shop/db tcp 8080"],
      drops: ["shop/db > bank/api tcp 8080", "shop/db > shop/web-1 tcp 8080"],
    },
  ),
  one(
    "policyTypes Ingress alone leaves egress rules out",
    [networkPolicy("shop/in", { podSelector: all, policyTypes: ["Ingress"], egress: [] })],
    {
      passes: ["shop/db > bank/api tcp 8080"],
      drops: ["bank/api > shop/db tcp 8080"],
    },
  ),
  one(
    "both policyTypes without rules isolate both ways",
    [networkPolicy("play/none", { podSelector: all, policyTypes: ["Ingress", "Egress"] })],
    {
      drops: ["play/bot > shop/db tcp 8080", "shop/db > play/bot tcp 8080", "play/bot > play/cat udp 8080"],
      passes: ["node:node2 > play/bot tcp 8080", "shop/db > bank/api tcp 8080"],
    },
  ),
  one("an absent from and absent ports allow all", [networkPolicy("shop/open", { podSelector: all, ingress: [{}] })], {
    passes: ["bank/api > shop/db tcp 8080", "bank/api > shop/db icmp", "node:node2 > shop/db udp 8081"],
  }),
  one(
    "empty from and ports allow all",
    [networkPolicy("shop/open", { podSelector: all, ingress: [{ from: [], ports: [] }] })],
    {
      passes: ["bank/api > shop/db sctp 8080", "bank/api > shop/db icmp"],
    },
  ),
  one(
    "allows of several policies unite",
    [
      networkPolicy("shop/a", { podSelector: web, ingress: [{ from: [{ podSelector: matching({ app: "db" }) }] }] }),
      networkPolicy("shop/b", { podSelector: all, ingress: [{ ports: [{ port: 8081 }] }] }),
    ],
    {
      passes: ["shop/db > shop/web-1 tcp 8080", "play/bot > shop/web-1 tcp 8081"],
      drops: ["play/bot > shop/web-1 tcp 8080", "shop/web-1 > shop/db tcp 8080"],
    },
  ),
  one(
    "both ends have to allow",
    [
      networkPolicy("shop/out", {
        podSelector: web,
        policyTypes: ["Egress"],
        egress: [{ to: [{ namespaceSelector: blue }] }],
      }),
      networkPolicy("bank/in", { podSelector: matching({ app: "api" }), ingress: [{ from: [{ podSelector: all }] }] }),
    ],
    {
      passes: ["shop/web-1 > bank/vault tcp 8080", "bank/vault > bank/api tcp 8080"],
      drops: ["shop/web-1 > bank/api tcp 8080", "shop/web-1 > play/bot tcp 8080", "play/bot > bank/api tcp 8080"],
    },
  ),
  one(
    "a podSelector alone is about the own namespace",
    [networkPolicy("shop/in", { podSelector: matching({ app: "db" }), ingress: [{ from: [{ podSelector: web }] }] })],
    {
      passes: ["shop/web-1 > shop/db tcp 8080", "shop/web-2 > shop/db udp 8080"],
      drops: ["play/cat > shop/db tcp 8080", "bank/api > shop/db tcp 8080"],
    },
  ),
  one(
    "an empty namespaceSelector is all namespaces",
    [networkPolicy("shop/in", { podSelector: all, ingress: [{ from: [{ namespaceSelector: all }] }] })],
    {
      passes: ["play/bot > shop/db tcp 8080", "shop/web-2 > shop/db tcp 8080"],
      drops: ["node:node2 > shop/db tcp 8080", "play/host > shop/db tcp 8080"],
    },
  ),
  one(
    "both selectors in one element are an AND",
    [
      networkPolicy("bank/in", {
        podSelector: all,
        ingress: [{ from: [{ namespaceSelector: red, podSelector: web }] }],
      }),
    ],
    {
      passes: ["shop/web-1 > bank/api tcp 8080", "play/cat > bank/api tcp 8080"],
      drops: ["shop/db > bank/api tcp 8080", "bank/api > bank/vault tcp 8080", "play/host > bank/vault tcp 8080"],
    },
  ),
  one(
    "several elements are an OR",
    [
      networkPolicy("bank/in", {
        podSelector: all,
        ingress: [{ from: [{ namespaceSelector: red }, { podSelector: matching({ app: "api" }) }] }],
      }),
    ],
    {
      passes: ["shop/db > bank/vault tcp 8080", "bank/api > bank/vault tcp 8080"],
      drops: ["bank/vault > bank/api tcp 8080"],
    },
  ),
  one(
    "a namespace is selected by its name",
    [
      networkPolicy("bank/in", {
        podSelector: all,
        ingress: [{ from: [{ namespaceSelector: matching({ "kubernetes.io/metadata.name": "play" }) }] }],
      }),
    ],
    {
      passes: ["play/bot > bank/api tcp 8080"],
      drops: ["shop/db > bank/api tcp 8080"],
    },
  ),
  one(
    "all four operators select",
    [
      networkPolicy("bank/in", {
        podSelector: { matchExpressions: [{ key: "tier", operator: "DoesNotExist" }] },
        ingress: [
          {
            from: [
              {
                namespaceSelector: { matchExpressions: [{ key: "env", operator: "Exists" }] },
                podSelector: {
                  matchExpressions: [
                    { key: "app", operator: "In", values: ["web", "api"] },
                    { key: "tier", operator: "NotIn", values: ["back"] },
                  ],
                },
              },
            ],
          },
        ],
      }),
    ],
    {
      passes: ["shop/web-1 > bank/vault tcp 8080", "bank/api > bank/vault tcp 8080", "play/cat > bank/api tcp 8080"],
      drops: ["shop/web-2 > bank/vault tcp 8080", "play/cat > bank/vault tcp 8080", "shop/db > bank/vault tcp 8080"],
    },
  ),
  one(
    "NotIn selects who lacks the label",
    [
      networkPolicy("play/in", {
        podSelector: { matchExpressions: [{ key: "tier", operator: "NotIn", values: ["front"] }] },
        ingress: [],
      }),
    ],
    {
      drops: ["shop/db > play/bot tcp 8080", "shop/db > play/cat tcp 8080"],
    },
  ),
];
