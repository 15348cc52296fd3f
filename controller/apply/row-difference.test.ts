import { describe, expect, it } from "vitest";
import type { DesiredValue } from "../translate/desired.ts";
import type { ManagedTable } from "./managed-columns.ts";
import { checkColumns, columnMatches, rowDifference } from "./row-difference.ts";

const table: ManagedTable = {
  name: "Logical_Switch_Port",
  isRoot: false,
  columns: new Map([
    ["name", "scalar"],
    ["enabled", "scalar"],
    ["addresses", "set"],
    ["options", "map"],
    ["external_ids", "map"],
  ]),
  membershipColumns: [],
  references: new Map(),
  parents: [],
};

const desired = (columns: Record<string, DesiredValue>) =>
  ({ table: "Logical_Switch_Port", uuid: "u", owner: "Pod/a/b", columns }) as const;

const current = {
  _uuid: "u",
  name: "a_b",
  enabled: undefined,
  addresses: new Set(["one", "two"]),
  options: new Map([
    ["kept", "1"],
    ["stale", "2"],
  ]),
  external_ids: new Map([
    ["ovenbird.io/owner", "Pod/a/b"],
    ["theirs", "x"],
  ]),
};

describe("the difference between a row and what it shall be", () => {
  it("is none where all columns named are as desired, whatever the others hold", () => {
    expect(rowDifference(desired({ name: "a_b", addresses: ["two", "one"] }), table, current)).toBeUndefined();
  });

  it("is single members and keys, never whole sets or maps", () => {
    const wanted = desired({ addresses: ["two", "three"], options: { kept: "1", added: "3" }, enabled: false });
    expect(rowDifference(wanted, table, current)).toEqual({
      update: { enabled: false },
      mutate: {
        addresses: { insert: ["three"], delete: ["one"] },
        options: { insert: { added: "3" }, delete: ["stale"] },
      },
    });
  });

  it("is the whole set where no member stays, so that it is never empty in between", () => {
    expect(rowDifference(desired({ addresses: ["three"] }), table, current)).toEqual({
      update: { addresses: ["three"] },
      mutate: {},
    });
  });

  it("leaves what others keep in external_ids, and restores our owner", () => {
    const taken = {
      ...current,
      external_ids: new Map([
        ["theirs", "x"],
        ["ovenbird.io/old", "y"],
      ]),
    };
    expect(rowDifference(desired({}), table, taken)).toEqual({
      update: {},
      mutate: {
        external_ids: { insert: { "ovenbird.io/owner": "Pod/a/b" }, delete: ["ovenbird.io/old"] },
      },
    });
    expect(columnMatches(desired({}), table, "external_ids", taken)).toBe(false);
    expect(columnMatches(desired({}), table, "addresses", taken)).toBe(true);
  });

  it("refuses a column that the schema lacks", () => {
    expect(() => checkColumns(desired({ tier: 1 }), table)).toThrow(
      expect.objectContaining({ code: "UNKNOWN_COLUMN" }),
    );
  });
});
