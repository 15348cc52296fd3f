import { type Direction, type PolicyKind, policyId } from "../state/policy.ts";

/** What an ACL of a policy stands for. */
export interface AclOrigin {
  readonly kind: PolicyKind;
  /** Of the policy. */
  readonly key: string;
  readonly direction: Direction;
  /**
   * The rule's index; `isolation` where a NetworkPolicy drops what nobody allows (only where that has to be logged, or stands
   * again above a Pass: else the tenant's two ACLs do); `overflow` for the one ACL of a policy for which priorities are too few: it drops all.
   */
  readonly rule: number | "isolation" | "overflow";
  /** Tells the ACLs of one rule apart, such as `ipv4-tcp`; what begins with `rest` is of a Pass that is compiled away, and lets through what nobody decided. */
  readonly piece: string;
  /** It stands for the same as another one, over pods whose namespace logs. */
  readonly logged: boolean;
  /** It stands for the same as another one, for pods of this tenant and by the addresses that it alone knows. */
  readonly tenant?: string | undefined;
  /** The Pass above whose lower rules it stands again: the `policyId` of the policy, and the rule's index. */
  readonly pass: { readonly policy: string; readonly rule: number } | undefined;
}

const kinds: Readonly<Record<string, PolicyKind>> = {
  NetworkPolicy: "NetworkPolicy",
  AdminNetworkPolicy: "AdminNetworkPolicy",
  BaselineAdminNetworkPolicy: "BaselineAdminNetworkPolicy",
  ClusterNetworkPolicy: "ClusterNetworkPolicy",
};

/** The part of an ACL's owner: `ingress.0.all`, `egress.2.ipv4-tcp-http-8080.logged`, `ingress.1.ipv4.in:red`, `ingress.0.ipv6@AdminNetworkPolicy/web:3`. */
export function aclPart({ direction, rule, piece, logged, tenant, pass }: Omit<AclOrigin, "kind" | "key">): string {
  const suffix = pass === undefined ? "" : `@${pass.policy}:${pass.rule}`;
  return `${direction}.${rule}.${piece}${logged ? ".logged" : ""}${tenant === undefined ? "" : `.in:${tenant}`}${suffix}`;
}

/** Reads `external_ids:ovenbird.io/owner` of an ACL; undefined where no policy is its owner. */
export function aclOrigin(owner: string): AclOrigin | undefined {
  const match =
    /^([A-Za-z]+)\/([^#]+)#(ingress|egress)\.(\d+|isolation|overflow)\.([^.@]+)(\.logged)?(?:\.in:([^@:#]+))?(?:@([^:]+):(\d+))?$/.exec(
      owner,
    );
  const kind = kinds[match?.[1] ?? ""];
  if (match === null || kind === undefined) return undefined;
  const [, , key = "", direction, rule, piece = "", logged, tenant, passPolicy, passRule] = match;
  return {
    kind,
    key,
    direction: direction === "ingress" ? "ingress" : "egress",
    rule: rule === "overflow" || rule === "isolation" ? rule : Number(rule),
    piece,
    logged: logged !== undefined,
    tenant,
    pass: passPolicy === undefined ? undefined : { policy: passPolicy, rule: Number(passRule) },
  };
}

/** The policy that an ACL is of, as `policyId` names it. */
export function originPolicy(origin: AclOrigin): string {
  return policyId(origin);
}
