import { expect, it } from "vitest";
import type { AddressHolding } from "../addresses/address-holdings.ts";
import { ExplainError } from "../explain/explain-error.ts";
import { addressApi } from "./address-api.ts";
import { policyApi } from "./policy-api.ts";

const holdings: AddressHolding[] = [
  { addresses: ["10.244.0.3"], pod: "default/a", uid: "a", node: "n1" },
  { subnet: "flat", addresses: ["10.1.0.2"], infrastructure: ["100.81.0.2"], pod: "red/b", uid: "b", node: "n2" },
  { subnet: "flat", addresses: ["10.1.0.3"], keptBy: "red.cart.flat", holder: "red/cart" },
];
const audit = { compared: { pods: 2, holdings: 3, rows: 2, ipAddresses: 1 }, isSettled: true, findings: [] };

/** As the controller serves it: errors are told as for questions about policies. */
const apiOf = (source: Parameters<typeof addressApi>[0]["source"]) =>
  policyApi({ source: () => undefined, leader: () => "first" }).route("/", addressApi({ source }));
const api = apiOf(() => ({ holdings: () => holdings, audit: () => audit }));

it("lists who has what, all or by subnet, pod, node and address", async () => {
  const ask = async (query: string) => {
    const { holdings: found } = (await (await api.request(`/addresses${query}`)).json()) as {
      holdings: AddressHolding[];
    };
    return found.map(({ addresses }) => addresses[0]);
  };
  expect(await ask("")).toEqual(["10.244.0.3", "10.1.0.2", "10.1.0.3"]);
  expect(await ask("?subnet=flat")).toEqual(["10.1.0.2", "10.1.0.3"]);
  expect(await ask("?subnet=flat&node=n2")).toEqual(["10.1.0.2"]);
  expect(await ask("?address=100.81.0.2")).toEqual(["10.1.0.2"]);
  expect(await ask("?pod=default/a")).toEqual(["10.244.0.3"]);
});

it("audits", async () => {
  expect(await (await api.request("/addresses/audit")).json()).toEqual(audit);
});

it("refuses what it doesn't know, and to answer for another that leads", async () => {
  const unknown = await api.request("/addresses?tenant=red");
  expect([unknown.status, await unknown.json()]).toMatchObject([400, { error: { code: "BAD_QUERY" } }]);
  const standing = apiOf(() => {
    throw new ExplainError("NOT_LEADING", "this controller stands by");
  });
  const answer = await standing.request("/addresses/audit");
  expect([answer.status, await answer.json()]).toMatchObject([
    503,
    { error: { code: "NOT_LEADING", leader: "first" } },
  ]);
});
