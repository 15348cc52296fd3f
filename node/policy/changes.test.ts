import { describe, expect, it } from "vitest";
import type { FlowMatch } from "../openflow/index.ts";
import { createChanges, isOfPolicy } from "./changes.ts";

const flow = (match: Omit<Partial<FlowMatch>, "hasConjunctionId">): FlowMatch => ({
  metadata: 3,
  registers: new Map(),
  hasConjunctionId: false,
  fields: 0,
  ...match,
});
const outputPort = (value: number) => new Map([[15, { value, mask: 0xffffffff }]]);
const address = (...octets: number[]) => Buffer.from(octets);

describe("a change of policies", () => {
  it("concerns the port that a flow names, and no other", () => {
    const changes = createChanges();
    changes.note(flow({ registers: outputPort(7), source: { bytes: address(10, 0, 0, 1), mask: undefined } }));
    expect(changes.concerns(3, 7)).toBe("all");
    expect(changes.concerns(3, 8)).toBe("none");
    expect(changes.concerns(4, 7)).toBe("none");
  });

  it("concerns of all ports the connections with an address that is named without port", () => {
    const changes = createChanges();
    changes.note(flow({ source: { bytes: address(10, 0, 0, 1), mask: undefined } }));
    expect(changes.concerns(3, 7)).toBe("peers");
    expect(changes.isPeer(3, address(10, 0, 0, 1))).toBe(true);
    expect(changes.isPeer(3, address(10, 0, 0, 2))).toBe(false);
  });

  it("knows the addresses of a block", () => {
    const changes = createChanges();
    changes.note(flow({ destination: { bytes: address(10, 1, 0, 0), mask: address(255, 255, 0, 0) } }));
    expect(changes.isPeer(3, address(10, 1, 9, 9))).toBe(true);
    expect(changes.isPeer(3, address(10, 2, 9, 9))).toBe(false);
  });

  it("concerns all where a flow names neither, unless ports come along with it", () => {
    const changes = createChanges();
    changes.note(flow({ udpDestination: 53 }));
    expect(changes.concerns(3, 7)).toBe("all");
    changes.note(flow({ registers: outputPort(8) }));
    expect(changes.concerns(3, 7)).toBe("none");
    expect(changes.concerns(3, 8)).toBe("all");
  });

  it("concerns all where more changes than is worth remembering", () => {
    const changes = createChanges();
    for (let index = 0; index < 10_000; index += 1) {
      changes.note(flow({ source: { bytes: address(10, 0, index >> 8, index & 255), mask: undefined } }));
    }
    expect(changes.concerns(3, 7)).toBe("all");
    expect(changes.parts?.get(3)?.peers.size).toBe(0);
  });

  it("and another together concern what either does", () => {
    const [one, other] = [createChanges(), createChanges()];
    one.note(flow({ registers: outputPort(7) }));
    other.note(flow({ registers: outputPort(8) }));
    one.merge(other);
    expect([one.concerns(3, 7), one.concerns(3, 8), one.concerns(3, 9)]).toEqual(["all", "all", "none"]);
    other.noteAll();
    one.merge(other);
    expect(one.concerns(3, 9)).toBe("all");
    expect(one.isEmpty).toBe(false);
  });

  it("is told by the priority of ACLs", () => {
    expect([1_000, 1_001, 33_767, 34_000, 65_532].map(isOfPolicy)).toEqual([false, true, true, false, false]);
  });
});
