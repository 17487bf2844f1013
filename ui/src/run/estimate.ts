import type { RunView } from "../api/types";
import { bytes, duration, price } from "../format";
import { isOver } from "./states";

/** What the plan predicted, beside what scoring has taken; nothing if it predicted nothing. */
export function estimated(view: RunView): string {
  const { estimate, totals } = view;
  if (!estimate) return "";
  const told = [duration(estimate.seconds)];
  if (estimate.peak_memory !== null) told.push(bytes(estimate.peak_memory));
  if (estimate.cost !== null) told.push(`cost ${price(estimate.cost)}`);
  const said = `Estimated ${told.join(", ")}`;
  if (totals.seconds === null) return said;
  const taken = [duration(totals.seconds)];
  if (estimate.peak_memory !== null && estimate.took_memory !== null) taken.push(bytes(estimate.took_memory));
  return isOver(view) ? `${said}; took ${taken.join(", ")}` : `${said}; ${taken.join(", ")} so far`;
}
