import type { PartitionTable, RunView, TaskView } from "../api/types";
import { isOver } from "./headline";

/** Whether all that was asked for has been read. */
export function isComplete(view: { incomplete: boolean }): boolean {
  return !view.incomplete;
}

/** Whether the page of a run need not ask again. */
export function isFinalRun(view: RunView): boolean {
  return !view.is_scoring || (isOver(view) && isComplete(view));
}

/** Whether the page of a task need not ask again. */
export function isFinalTask(view: TaskView): boolean {
  return view.kind === null || (isOver(view) && isComplete(view));
}

/** Positions of the partitions whose scores are committed. */
export function committed({ state }: PartitionTable): number[] {
  return [...state.keys()].filter((index) => state[index] === "scored" || state[index] === "reused");
}

/**
 * Version of what is read from files, which costs the server: another one whenever `count` has doubled, and when the run
 * is over.
 */
export function doublings(view: RunView, count: number): number {
  return isOver(view) ? count : Math.floor(Math.log2(count));
}
