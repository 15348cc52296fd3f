import type { Replica, UntypedModel } from "ovsdb-client-ts";
import type { AclRow } from "../explain/acl-answer.ts";
import { ownerKey } from "../translate/owner.ts";

/** The northbound rows of ACLs, whoever made them, as they are in the database. */
export function* aclRowsOf(replica: Replica<UntypedModel>): Generator<AclRow> {
  for (const row of replica.table("ACL").values()) {
    yield {
      uuid: row._uuid as string,
      name: row.name as string | undefined,
      direction: row.direction as AclRow["direction"],
      priority: row.priority as number,
      tier: row.tier as number | undefined,
      match: row.match as string,
      action: row.action as string,
      log: row.log === true,
      owner: (row.external_ids as ReadonlyMap<string, string>).get(ownerKey),
    };
  }
}
