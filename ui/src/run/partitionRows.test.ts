import { expect, it } from "vitest";

import { failed, packs, quarantined, shops, unscored } from "../fixtures/runs";
import { arrange } from "./partitionRows";

const worst = { by: "worst" as const, descending: false };
const all = { text: "", state: "" as const };
const keys = (view: typeof failed, rows: number[]) => rows.map((row) => view.partitions.key[row]);

it("puts the failed partition first, then those with rows in quarantine", () => {
  expect(keys(failed, arrange(failed.partitions, all, worst))[0]).toBe("year=2009");
  expect(keys(quarantined, arrange(quarantined.partitions, all, worst)).slice(0, 2)).toEqual([
    "year=2003",
    "year=2011",
  ]);
});

it("finds by text and by state", () => {
  expect(keys(failed, arrange(failed.partitions, { text: " 201 ", state: "" }, worst))).toHaveLength(7);
  expect(keys(failed, arrange(failed.partitions, { text: "", state: "failed" }, worst))).toEqual(["year=2009"]);
  expect(arrange(failed.partitions, { text: "1999", state: "" }, worst)).toEqual([]);
});

it("finds a key as people write it, and as the server does", () => {
  for (const text of ["münchen s", "M%C3%BCnchen"]) {
    expect(arrange(shops.partitions, { text, state: "" }, worst)).toEqual([0]);
  }
});

it("tells partitions without a scored row from scored ones", () => {
  expect(arrange(unscored.partitions, { text: "", state: "unscored" }, worst)).toEqual([3]);
  expect(arrange(unscored.partitions, { text: "", state: "scored" }, worst)).toHaveLength(16);
  expect(arrange(unscored.partitions, all, worst)[0]).toBe(3);
});

it("sorts numbers in names as numbers, and columns both ways", () => {
  const { partitions } = packs(0);
  const names = arrange(partitions, { text: "device=000", state: "" }, { by: "key", descending: false });
  expect(names.slice(0, 3).map((row) => partitions.key[row])).toEqual([
    "device=000, day=0",
    "device=000, day=1",
    "device=000, day=2",
  ]);
  const rows = arrange(failed.partitions, all, { by: "rows_read", descending: true });
  expect(keys(failed, rows)[0]).toBe("year=2016");
  expect(keys(failed, rows).at(-1)).toBe("year=2009");
});
