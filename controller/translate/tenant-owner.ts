import type { Owner } from "./desired.ts";
import { defaultTenant } from "./names.ts";

/** The owner of what all nodes share. */
export const tenantOwner: Owner = { kind: "Tenant", key: defaultTenant };
