import { describe, expect, it } from "vitest";
import { type AclOrigin, aclOrigin, aclPart, originPolicy } from "./acl-origin.ts";

const plain: AclOrigin = {
  kind: "NetworkPolicy",
  key: "shop/web",
  direction: "ingress",
  rule: 0,
  piece: "ipv4-tcp",
  logged: false,
  pass: undefined,
};

describe("whose an ACL is", () => {
  it.each<[string, AclOrigin]>([
    ["NetworkPolicy/shop/web#ingress.0.ipv4-tcp", plain],
    [
      "NetworkPolicy/shop/web.v2#egress.12.tcp-http-8080",
      { ...plain, key: "shop/web.v2", direction: "egress", rule: 12, piece: "tcp-http-8080" },
    ],
    [
      "ClusterNetworkPolicy/a#ingress.3.all.logged",
      { ...plain, kind: "ClusterNetworkPolicy", key: "a", rule: 3, piece: "all", logged: true },
    ],
    [
      "NetworkPolicy/shop/web#ingress.0.ipv4-tcp.logged.in:red.v2@AdminNetworkPolicy/a:1",
      { ...plain, logged: true, tenant: "red.v2", pass: { policy: "AdminNetworkPolicy/a", rule: 1 } },
    ],
    [
      "NetworkPolicy/shop/web#ingress.isolation.ipv6@AdminNetworkPolicy/a.b:7",
      { ...plain, rule: "isolation", piece: "ipv6", pass: { policy: "AdminNetworkPolicy/a.b", rule: 7 } },
    ],
    [
      "BaselineAdminNetworkPolicy/default#ingress.0.ipv4-tcp-http-80+web-80.logged@ClusterNetworkPolicy/p:0",
      {
        ...plain,
        kind: "BaselineAdminNetworkPolicy",
        key: "default",
        piece: "ipv4-tcp-http-80+web-80",
        logged: true,
        pass: { policy: "ClusterNetworkPolicy/p", rule: 0 },
      },
    ],
    [
      "AdminNetworkPolicy/a#egress.overflow.all",
      { ...plain, kind: "AdminNetworkPolicy", key: "a", direction: "egress", rule: "overflow", piece: "all" },
    ],
  ])("%s", (owner, origin) => {
    expect(aclOrigin(owner)).toEqual(origin);
    expect(`${origin.kind}/${origin.key}#${aclPart(origin)}`).toBe(owner);
    expect(owner.startsWith(`${originPolicy(origin)}#`)).toBe(true);
  });

  it.each([
    "Node/n1#services.ipv4",
    "Tenant/default#isolation.ingress",
    "NetworkPolicy/shop/web",
    "NetworkPolicy/shop/web#sideways.0.all",
    "Service/shop/web#ingress.0.all",
  ])("is no policy's: %s", (owner) => {
    expect(aclOrigin(owner)).toBeUndefined();
  });
});
