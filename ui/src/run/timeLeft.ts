import type { TaskState, Totals } from "../api/types";
import { eta } from "../format";
import { isOver } from "./states";

/** How long scoring still takes, in words; nothing before it begins and once it has ended. */
export function timeLeft(state: TaskState, totals: Totals): string {
  if (isOver({ state })) return "";
  if (totals.eta) return `${eta(totals.eta)} left`;
  return totals.by_state.running > 0 ? "estimating the time left…" : "";
}
