import { expect, it } from "vitest";
import { addressesText, auditText } from "./addresses-text.ts";

it("prints a line for each holder", () => {
  const text = addressesText({
    holdings: [
      { addresses: ["10.244.0.3", "fd00::3"], pod: "default/a", uid: "a", node: "n1" },
      {
        ...{ subnet: "flat", addresses: ["10.1.0.3"], mac: "0a:58:0a:01:00:03", keptBy: "red.cart.flat" },
        ...{ holder: "red/cart", ttlSeconds: 60, releasedAt: "2026-01-01T00:00:00Z" },
      },
    ],
  });
  expect(text).toBe(
    [
      "SUBNET  ADDRESSES           POD        NODE  MAC                INFRASTRUCTURE  KEPT BY",
      "-       10.244.0.3 fd00::3  default/a  n1    -                  -",
      "flat    10.1.0.3            -          -     0a:58:0a:01:00:03  -               red.cart.flat (for red/cart, 60 s, released 2026-01-01T00:00:00Z)",
      "",
    ].join("\n"),
  );
  expect(addressesText({ holdings: [] })).toBe("nobody has such an address\n");
});

it("says what was compared, and what differs", () => {
  const compared = { pods: 3, holdings: 2, rows: 2, ipAddresses: 0 };
  expect(auditText({ compared, isSettled: true, findings: [] })).toBe(
    "2 holders, 2 ports, 3 pods and 0 IPAddresses agree: nothing is held twice, nothing is leaked\n",
  );
  const findings = [{ code: "LEAKED_ROW" as const, object: "Pod/a/1", message: "a port has 10.0.0.2" }];
  expect(auditText({ compared, isSettled: false, findings })).toBe(
    "2 holders, 2 ports, 3 pods and 0 IPAddresses: 1 findings\nLEAKED_ROW  Pod/a/1  a port has 10.0.0.2\nWrites are under way, which may be all that differs: ask again.\n",
  );
});
