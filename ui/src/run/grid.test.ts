import { expect, it } from "vitest";

import { packs, running, unscored } from "../fixtures/runs";
import { cellAt, changed, innerShare, layout, move } from "./gridLayout";
import { pictures } from "./gridPaint";

it("gives a few partitions large cells, and many ones small cells that all fit", () => {
  expect(layout(17, 1200)).toMatchObject({ pitch: 36, columns: 17, rows: 1 });
  const many = layout(10_000, 1200);
  expect(many.columns * many.pitch).toBeLessThanOrEqual(1200);
  expect(many.columns * many.rows).toBeGreaterThanOrEqual(10_000);
});

it("has a layout before it has a width, and without cells", () => {
  expect(layout(3, 0)).toMatchObject({ columns: 1, pitch: 36 });
  expect(layout(0, 300)).toMatchObject({ columns: 1, rows: 0 });
});

it("finds the cell under the pointer, and none beside the cells", () => {
  const at = layout(17, 360); // 10 columns of 36
  expect(cellAt(at, 17, 1, 1)).toBe(0);
  expect(cellAt(at, 17, 359, 35)).toBe(9);
  expect(cellAt(at, 17, 10, 40)).toBe(10);
  expect(cellAt(at, 17, 300, 40)).toBeNull();
  expect(cellAt(at, 17, 10, 400)).toBeNull();
});

it("moves by arrow keys and stays inside", () => {
  const at = layout(17, 360);
  expect(move(at, 17, 0, "ArrowRight")).toBe(1);
  expect(move(at, 17, 3, "ArrowDown")).toBe(13);
  expect(move(at, 17, 8, "ArrowDown")).toBe(8);
  expect(move(at, 17, 0, "ArrowLeft")).toBe(0);
  expect(move(at, 17, 5, "End")).toBe(16);
  expect(move(at, 17, 5, "Enter")).toBeNull();
});

it("shows more rows as a larger square", () => {
  expect(innerShare(0, 100)).toBe(0);
  expect(innerShare(25, 100)).toBeLessThan(innerShare(100, 100));
});

it("marks a partition of which no row could be scored", () => {
  const { partitions } = unscored;
  expect(pictures(partitions)[3]).toBe("unscored 0 0 q");
  expect(pictures(partitions)[4]).toMatch(/^scored /);
});

it("draws only the cells that changed between two polls", () => {
  const before = pictures(packs(40).partitions);
  const after = pictures(packs(41).partitions);
  const cells = changed(before, after);
  expect(cells).toHaveLength(80); // a pack of 40 is done, another one began
});

it("gives every state a picture of its own", () => {
  const looks = pictures(running.partitions);
  expect(new Set(looks.map((look) => look.split(" ")[0]))).toEqual(new Set(["scored", "running", "waiting"]));
  expect(looks[8]).toBe("running 0.4 0 "); // 3 of 8 blocks
});
