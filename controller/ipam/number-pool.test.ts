import { describe, expect, it } from "vitest";
import { createNumberPool } from "./number-pool.ts";

describe("a number pool", () => {
  it("gives never-used numbers first, lowest first, then the longest-freed", () => {
    const pool = createNumberPool(3, 7);
    expect([pool.take(), pool.take()]).toEqual([3, 4]);
    pool.release(4);
    pool.release(3);
    expect([pool.take(), pool.take(), pool.take(), pool.take()]).toEqual([5, 6, 4, 3]);
    expect(pool.take()).toBeUndefined();
    expect(pool).toMatchObject({ used: 4, free: 0 });
  });

  it("gives a claimed number to nobody else", () => {
    const pool = createNumberPool(3, 8);
    expect(pool.claim(5)).toBe(true);
    expect(pool.claim(5)).toBe(false);
    expect([pool.take(), pool.take(), pool.take(), pool.take(), pool.take()]).toEqual([3, 4, 6, 7, undefined]);
  });

  it("takes a number that was claimed and freed for used, so it comes last", () => {
    const pool = createNumberPool(0, 3);
    pool.claim(0);
    pool.release(0);
    expect([pool.take(), pool.take(), pool.take()]).toEqual([1, 2, 0]);
  });

  it("lets a freed number be claimed out of turn, once", () => {
    const pool = createNumberPool(0, 3);
    for (let round = 0; round < 3; round++) pool.take();
    for (const number of [0, 1, 2]) pool.release(number);
    expect(pool.claim(1)).toBe(true);
    expect([pool.take(), pool.take(), pool.take()]).toEqual([0, 2, undefined]);
  });

  it("refuses what is out of its range", () => {
    const pool = createNumberPool(3, 7);
    expect([2, 7, 3.5, -1].map((number) => pool.claim(number))).toEqual([false, false, false, false]);
  });

  it("frees nothing twice", () => {
    const pool = createNumberPool(0, 2);
    pool.take();
    pool.release(0);
    pool.release(0);
    expect([pool.take(), pool.take(), pool.take()]).toEqual([1, 0, undefined]);
  });
});
