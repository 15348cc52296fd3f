import { describe, expect, it } from "vitest";
import type { FlowMatch } from "../openflow/index.ts";
import { createChanges, isOfPolicy } from "./changes.ts";

const flow = (match: Partial<FlowMatch>) => ({
  metadata: 3,
  registers: new Map(),
  fields: 0,
  ...match,
});
const outputPort = (value: number) => new Map([[15, { value, mask: 0xffffffff }]]);
const address = (...octets: number[]) => Buffer.from(octets);
const one = address(10, 0, 0, 1);
const other = address(10, 0, 0, 2);

describe("a change of policies", () => {
  it("concerns all of the port that a flow names, and no other", () => {
    const changes = createChanges();
    changes.note(flow({ registers: outputPort(7) }));
    expect(changes.concerns(3, 7, one)).toBe(true);
    expect(changes.concerns(3, 8, one)).toBe(false);
    expect(changes.concerns(4, 7, one)).toBe(false);
    expect([changes.mayConcern(3, 7), changes.mayConcern(3, 8)]).toEqual([true, false]);
  });

  it("concerns of the port only the connections with the address that is named with it", () => {
    const changes = createChanges();
    changes.note(flow({ registers: outputPort(7), source: { bytes: one, mask: undefined } }));
    expect(changes.concerns(3, 7, one)).toBe(true);
    expect(changes.concerns(3, 7, other)).toBe(false);
    expect(changes.concerns(3, 8, one)).toBe(false);
  });

  it("concerns of all ports the connections with an address that is named without port", () => {
    const changes = createChanges();
    changes.note(flow({ source: { bytes: one, mask: undefined } }));
    expect(changes.mayConcern(3, 7)).toBe(true);
    expect(changes.concerns(3, 7, one)).toBe(true);
    expect(changes.concerns(3, 7, other)).toBe(false);
  });

  it("knows the addresses of a block", () => {
    const changes = createChanges();
    changes.note(flow({ destination: { bytes: address(10, 1, 0, 0), mask: address(255, 255, 0, 0) } }));
    expect(changes.concerns(3, 7, address(10, 1, 9, 9))).toBe(true);
    expect(changes.concerns(3, 7, address(10, 2, 9, 9))).toBe(false);
  });

  it("concerns all where a flow names neither, unless ports come along with it", () => {
    const changes = createChanges();
    changes.note(flow({ udpDestination: 53 }));
    expect(changes.concerns(3, 7, one)).toBe(true);
    changes.note(flow({ registers: outputPort(8) }));
    expect(changes.concerns(3, 7, one)).toBe(false);
    expect(changes.concerns(3, 8, one)).toBe(true);
  });

  it("concerns all where more changes than is worth remembering", () => {
    const changes = createChanges();
    for (let index = 0; index < 10_000; index += 1) {
      changes.note(flow({ source: { bytes: address(10, 1, index >> 8, index & 255), mask: undefined } }));
    }
    expect(changes.concerns(3, 7, one)).toBe(true);
    expect(changes.parts?.get(3)?.anyPort.addresses.size).toBe(0);
    for (let port = 0; port < 10_000; port += 1) changes.note(flow({ metadata: 4, registers: outputPort(port) }));
    expect(changes.concerns(4, 20_000, one)).toBe(true);
    expect(changes.parts?.get(4)?.ports.size).toBe(500);
  });

  it("and another together concern what either does", () => {
    const [first, second] = [createChanges(), createChanges()];
    first.note(flow({ registers: outputPort(7) }));
    second.note(flow({ registers: outputPort(8), source: { bytes: one, mask: undefined } }));
    first.merge(second);
    expect([7, 8, 9].map((port) => first.concerns(3, port, one))).toEqual([true, true, false]);
    expect(first.concerns(3, 8, other)).toBe(false);
    second.noteAll();
    first.merge(second);
    expect(first.concerns(3, 9, other)).toBe(true);
    expect(first.isEmpty).toBe(false);
  });

  it("is told by the priority of ACLs", () => {
    expect([1_000, 1_001, 33_767, 34_000, 65_532].map(isOfPolicy)).toEqual([false, true, true, false, false]);
  });
});
