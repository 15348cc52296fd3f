import { all, type Case, networkPolicy, one, web } from "./case.ts";

/** Networks in NetworkPolicies, and what is excepted from them. */
export const blocksCases: readonly Case[] = [
  one(
    "an ipBlock of everything lets IPv4 in",
    [networkPolicy("shop/in", { podSelector: all, ingress: [{ from: [{ ipBlock: { cidr: "0.0.0.0/0" } }] }] })],
    {
      passes: ["bank/api > shop/db tcp 8080", "node:node2 > shop/db tcp 8080"],
    },
  ),
  one(
    "ipBlocks of both families",
    [
      networkPolicy("shop/in", {
        podSelector: all,
        ingress: [
          {
            from: [{ ipBlock: { cidr: "10.244.0.0/16" } }, { ipBlock: { cidr: "fd00:10:244::/48" } }],
            ports: [{ port: 8080 }, { protocol: "UDP", port: 8081 }],
          },
        ],
      }),
    ],
    {
      passes: ["bank/api > shop/db tcp 8080", "bank/api > shop/db udp 8081"],
      drops: ["bank/api > shop/db tcp 8081", "bank/api > shop/db icmp"],
    },
  ),
  one(
    "except takes out of its own block",
    [
      networkPolicy("shop/in", {
        podSelector: all,
        ingress: [{ from: [{ ipBlock: { cidr: "10.244.0.0/16", except: ["10.244.1.0/24"] } }] }],
      }),
    ],
    {
      passes: ["bank/vault > shop/db tcp 8080"],
      drops: ["bank/api > shop/db tcp 8080"],
    },
  ),
  one(
    "except takes nothing out of another block",
    [
      networkPolicy("shop/in", {
        podSelector: all,
        ingress: [
          {
            from: [
              { ipBlock: { cidr: "10.244.0.0/16", except: ["10.244.1.0/24"] } },
              { ipBlock: { cidr: "10.244.1.0/24" } },
            ],
          },
        ],
      }),
    ],
    {
      passes: ["bank/vault > shop/db tcp 8080", "bank/api > shop/db tcp 8080"],
    },
  ),
  one(
    "except takes nothing from a selector",
    [
      networkPolicy("shop/in", {
        podSelector: all,
        ingress: [{ from: [{ ipBlock: { cidr: "10.244.0.0/16", except: ["10.244.1.0/24"] } }, { podSelector: web }] }],
      }),
    ],
    {
      passes: ["shop/web-2 > shop/db tcp 8080", "bank/vault > shop/db tcp 8080"],
      drops: ["bank/api > shop/db tcp 8080"],
    },
  ),
  one(
    "many excepts",
    [
      networkPolicy("shop/out", {
        podSelector: all,
        policyTypes: ["Egress"],
        egress: [
          {
            to: [
              {
                ipBlock: {
                  cidr: "0.0.0.0/0",
                  except: Array.from({ length: 40 }, (_, index) => `10.244.${index + 1}.0/24`),
                },
              },
            ],
          },
        ],
      }),
    ],
    {
      passes: ["shop/db > bank/vault tcp 8080", "shop/db > node:node1 tcp 8180"],
      drops: ["shop/db > bank/api tcp 8080"],
    },
  ),
  one(
    "an ipBlock with a node's address is the node also where it speaks from another",
    [networkPolicy("shop/in", { podSelector: all, ingress: [{ from: [{ ipBlock: { cidr: "172.18.0.12/32" } }] }] })],
    {
      passes: ["node:node2 > shop/db tcp 8080", "play/host > shop/db tcp 8080"],
      drops: ["play/bot > shop/db tcp 8080"],
    },
  ),
  one(
    "an except with a node's address is the node",
    [
      networkPolicy("shop/in", {
        podSelector: all,
        ingress: [{ from: [{ ipBlock: { cidr: "0.0.0.0/0", except: ["172.18.0.12/32"] } }] }],
      }),
    ],
    {
      passes: ["node:node1 > shop/db tcp 8080", "play/bot > shop/db tcp 8080"],
      drops: ["node:node2 > shop/db tcp 8080", "play/host > shop/web-1 tcp 8080"],
    },
  ),
  one(
    "an ipBlock out to a node",
    [
      networkPolicy("play/out", {
        podSelector: all,
        policyTypes: ["Egress"],
        egress: [{ to: [{ ipBlock: { cidr: "172.18.0.0/24" } }, { ipBlock: { cidr: "fd00:172:18::/64" } }] }],
      }),
    ],
    {
      passes: ["play/bot > play/host tcp 8180", "play/bot > node:node1 icmp"],
      drops: ["play/bot > shop/db tcp 8080"],
    },
  ),
  one(
    "an except of the whole block leaves nothing",
    [
      networkPolicy("shop/in", {
        podSelector: all,
        ingress: [{ from: [{ ipBlock: { cidr: "10.244.0.0/16", except: ["10.0.0.0/8"] } }] }],
      }),
    ],
    {
      drops: ["bank/api > shop/db tcp 8080"],
    },
  ),
];
