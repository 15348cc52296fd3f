import { all, type Case, networkPolicy, one, red, web } from "./case.ts";

/** Ports, ranges and names of NetworkPolicies. */
export const portsCases: readonly Case[] = [
  one(
    "a protocol that is not said is TCP",
    [networkPolicy("shop/in", { podSelector: all, ingress: [{ ports: [{ port: 8080 }] }] })],
    {
      passes: ["bank/api > shop/db tcp 8080"],
      drops: ["bank/api > shop/db udp 8080", "bank/api > shop/db sctp 8080", "bank/api > shop/db icmp"],
    },
  ),
  one(
    "UDP and SCTP ports",
    [
      networkPolicy("shop/in", {
        podSelector: all,
        ingress: [
          {
            ports: [
              { protocol: "UDP", port: 8081 },
              { protocol: "SCTP", port: 9090 },
            ],
          },
        ],
      }),
    ],
    {
      passes: ["bank/api > shop/db udp 8081", "bank/api > shop/db sctp 9090"],
      drops: ["bank/api > shop/db tcp 8081", "bank/api > shop/db udp 8080", "bank/api > shop/db sctp 8080"],
    },
  ),
  one(
    "a protocol without a port is all of its ports",
    [networkPolicy("shop/in", { podSelector: all, ingress: [{ ports: [{ protocol: "UDP" }] }] })],
    {
      passes: ["bank/api > shop/db udp 8080", "bank/api > shop/db udp 9090"],
      drops: ["bank/api > shop/db tcp 8080", "bank/api > shop/db icmp"],
    },
  ),
  one(
    "an SCTP policy out",
    [
      networkPolicy("play/out", {
        podSelector: all,
        policyTypes: ["Egress"],
        egress: [{ to: [{ namespaceSelector: red }], ports: [{ protocol: "SCTP", port: 8080 }] }],
      }),
    ],
    {
      passes: ["play/bot > shop/db sctp 8080", "play/bot > play/cat sctp 8080"],
      drops: ["play/bot > bank/api sctp 8080", "play/bot > shop/db sctp 8081", "play/bot > shop/db tcp 8080"],
    },
  ),
  one(
    "an endPort takes the range with both ends",
    [networkPolicy("shop/in", { podSelector: all, ingress: [{ ports: [{ port: 8081, endPort: 9090 }] }] })],
    {
      passes: ["bank/api > shop/db tcp 8081", "bank/api > shop/db tcp 9090"],
      drops: ["bank/api > shop/db tcp 8080", "bank/api > shop/db udp 8081"],
    },
  ),
  one(
    "an endPort that is the port is one port",
    [
      networkPolicy("shop/in", {
        podSelector: all,
        ingress: [{ ports: [{ protocol: "UDP", port: 8081, endPort: 8081 }] }],
      }),
    ],
    {
      passes: ["bank/api > shop/db udp 8081"],
      drops: ["bank/api > shop/db udp 8080", "bank/api > shop/db udp 9090"],
    },
  ),
  one(
    "a range of UDP out",
    [
      networkPolicy("shop/out", {
        podSelector: all,
        policyTypes: ["Egress"],
        egress: [{ ports: [{ protocol: "UDP", port: 8000, endPort: 8080 }] }],
      }),
    ],
    {
      passes: ["shop/db > bank/api udp 8080"],
      drops: ["shop/db > bank/api udp 8081", "shop/db > bank/api tcp 8080"],
    },
  ),
  one(
    "a named port of ingress is what each pod calls so",
    [networkPolicy("shop/in", { podSelector: all, ingress: [{ ports: [{ port: "http" }] }] })],
    {
      passes: ["bank/api > shop/web-1 tcp 8080", "bank/api > shop/web-2 tcp 8081", "bank/api > shop/db tcp 9090"],
      drops: [
        "bank/api > shop/web-1 tcp 8081",
        "bank/api > shop/web-2 tcp 8080",
        "bank/api > shop/db tcp 8080",
        "bank/api > shop/web-1 udp 8080",
      ],
    },
  ),
  one(
    "a named port of egress is what each destination calls so",
    [
      networkPolicy("play/out", {
        podSelector: all,
        policyTypes: ["Egress"],
        egress: [{ to: [{ namespaceSelector: all }], ports: [{ port: "http" }] }],
      }),
    ],
    {
      passes: [
        "play/bot > shop/web-1 tcp 8080",
        "play/bot > shop/web-2 tcp 8081",
        "play/bot > bank/api tcp 8080",
        "play/cat > shop/db tcp 9090",
      ],
      drops: ["play/bot > shop/web-1 tcp 8081", "play/bot > shop/web-2 tcp 8080", "play/bot > bank/vault tcp 8080"],
    },
  ),
  one(
    "a named port of egress to anybody is about pods that have it",
    [
      networkPolicy("play/out", {
        podSelector: all,
        policyTypes: ["Egress"],
        egress: [{ ports: [{ protocol: "UDP", port: "data" }] }],
      }),
    ],
    {
      passes: ["play/bot > shop/db udp 8080", "play/bot > bank/vault udp 8081", "play/bot > play/cat udp 8080"],
      drops: [
        "play/bot > shop/db udp 8081",
        "play/bot > bank/vault udp 8080",
        "play/bot > bank/api udp 8080",
        "play/bot > shop/db tcp 8080",
      ],
    },
  ),
  one(
    "a name is of one protocol",
    [networkPolicy("shop/in", { podSelector: web, ingress: [{ ports: [{ protocol: "UDP", port: "both" }] }] })],
    {
      passes: ["bank/api > shop/web-1 udp 8081"],
      drops: ["bank/api > shop/web-1 tcp 9090", "bank/api > shop/web-1 udp 9090", "bank/api > shop/web-2 udp 8081"],
    },
  ),
  one(
    "a named SCTP port",
    [networkPolicy("shop/in", { podSelector: all, ingress: [{ ports: [{ protocol: "SCTP", port: "signal" }] }] })],
    {
      passes: ["bank/api > shop/web-2 sctp 8080"],
      drops: ["bank/api > shop/web-2 sctp 8081", "bank/api > shop/web-1 sctp 8080"],
    },
  ),
  one(
    "a name that nobody uses matches nothing",
    [networkPolicy("shop/in", { podSelector: all, ingress: [{ ports: [{ port: "nobody" }] }] })],
    {
      drops: ["bank/api > shop/web-1 tcp 8080", "bank/api > shop/db tcp 9090"],
    },
  ),
];
