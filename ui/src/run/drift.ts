import type { RunView } from "../api/types";

/** Why there is no drift to show. */
export function notMeasured({ incomplete, totals }: Pick<RunView, "incomplete" | "totals">): string {
  if (incomplete) return "not read yet";
  return totals.drift_limit === null ? "no limit set" : "not measured";
}
