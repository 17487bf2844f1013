import type { PartitionState, PartitionTable, TaskState } from "../api/types";

/** Whether nothing will change any more by itself. */
export function isOver({ state }: { state: TaskState }): boolean {
  return state !== null && ["success", "failed", "upstream_failed", "skipped", "removed"].includes(state);
}

/** How a partition is shown. `unscored`: its scores are committed, and all of its rows are in quarantine. */
export type Shown = PartitionState | "unscored";

export function shownAs(partitions: PartitionTable, index: number): Shown {
  const state = partitions.state[index] ?? "waiting";
  const read = partitions.rows_read[index] ?? 0;
  const nothing = read > 0 && partitions.rows_scored[index] === 0 && (partitions.rows_quarantined[index] ?? 0) > 0;
  return nothing && (state === "scored" || state === "reused") ? "unscored" : state;
}

/** How states look: a colour (Okabe and Ito's palette, which colour-blind people tell apart) and, always, a shape. */
export interface Look {
  label: string;
  light: string;
  dark: string;
  shape: "solid" | "ring" | "cross" | "fill" | "outline" | "slash" | "minus";
}

export const LOOKS: Record<Shown, Look> = {
  failed: { label: "failed", light: "#D55E00", dark: "#F0803C", shape: "cross" },
  unscored: { label: "no row scored", light: "#B37400", dark: "#E69F00", shape: "minus" },
  running: { label: "running", light: "#0072B2", dark: "#56B4E9", shape: "fill" },
  waiting: { label: "waiting", light: "#8A8F98", dark: "#848B96", shape: "outline" },
  skipped: { label: "skipped", light: "#8A8F98", dark: "#848B96", shape: "slash" },
  scored: { label: "scored", light: "#009E73", dark: "#1FB98D", shape: "solid" },
  reused: { label: "kept from before", light: "#009E73", dark: "#1FB98D", shape: "ring" },
};

/** Worst first: what needs a person, then what is under way, then what is done. */
export const ORDER: Shown[] = ["failed", "unscored", "running", "waiting", "skipped", "scored", "reused"];
