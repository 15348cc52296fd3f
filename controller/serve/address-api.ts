import { Hono } from "hono";
import type { AddressAudit } from "../addresses/address-audit.ts";
import type { AddressHolding } from "../addresses/address-holdings.ts";
import { ExplainError } from "../explain/explain-error.ts";

/** What the answers come from: the term of whoever leads. */
export interface AddressApiSource {
  holdings(): Iterable<AddressHolding>;
  audit(): AddressAudit;
}

export interface AddressApiOptions {
  /** @throws ExplainError NOT_LEADING, NOT_READY */
  readonly source: () => AddressApiSource;
}

/** The body of `GET /v1/addresses`. */
export interface AddressList {
  readonly holdings: readonly AddressHolding[];
}

const filters = ["subnet", "pod", "node", "address"] as const;
type Filter = (typeof filters)[number];

function matches(holding: AddressHolding, filter: Filter, wanted: string): boolean {
  if (filter !== "address") return holding[filter] === wanted;
  return [...holding.addresses, ...(holding.infrastructure ?? [])].includes(wanted);
}

/** `/addresses` and `/addresses/audit`: who has which addresses, and whether all that know of them agree. */
export function addressApi({ source }: AddressApiOptions): Hono {
  const app = new Hono();
  app.get("/addresses", (context) => {
    const query = Object.entries(context.req.query());
    const unknown = query.find(([name]) => !filters.some((filter) => filter === name));
    if (unknown !== undefined) {
      throw new ExplainError("BAD_QUERY", `${unknown[0]}: there are subnet, pod, node and address`);
    }
    const wanted = query as readonly (readonly [Filter, string])[];
    const holdings: AddressHolding[] = [];
    for (const holding of source().holdings()) {
      if (wanted.every(([filter, value]) => matches(holding, filter, value))) holdings.push(holding);
    }
    const body: AddressList = { holdings };
    return context.json(body);
  });
  app.get("/addresses/audit", (context) => context.json(source().audit()));
  return app;
}
