import { expect, test } from "vitest";

import type { EstimateView } from "../api/types";
import { finished, running } from "../fixtures/runs";
import { estimated } from "./estimate";

const estimate: EstimateView = {
  seconds: 720,
  low: 600,
  high: 864,
  peak_memory: 3.1e9,
  cost: 0.854,
  rows: 1_000_000,
  sample_seconds: 12,
  sample_rows: 20_000,
  took_memory: 2.9e9,
};
const totals = { ...finished.totals, seconds: 660 };

test("what was predicted stands beside what it took", () => {
  expect(estimated({ ...finished, totals, estimate })).toBe("Estimated 12 min, 3.1 GB, cost 0.85; took 11 min, 2.9 GB");
});

test("a run that goes on says how far it is", () => {
  const view = { ...running, totals: { ...running.totals, seconds: 90 }, estimate };
  expect(estimated(view)).toBe("Estimated 12 min, 3.1 GB, cost 0.85; 1 min 30 s, 2.9 GB so far");
});

test("what was not measured or not asked for is left out", () => {
  const bare = { ...estimate, peak_memory: null, cost: null };
  expect(estimated({ ...finished, totals, estimate: bare })).toBe("Estimated 12 min; took 11 min");
  expect(estimated({ ...running, totals: { ...totals, seconds: null }, estimate: bare })).toBe("Estimated 12 min");
  expect(estimated({ ...finished, estimate: null })).toBe("");
});

test("a small cost is not shown as nothing", () => {
  expect(estimated({ ...finished, totals, estimate: { ...estimate, cost: 0.00042 } })).toContain("cost 0.00042;");
});
