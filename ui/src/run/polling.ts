import type { PartitionTable, RunView, TaskView } from "../api/types";
import type { Pace } from "../api/useLive";
import { isOver } from "./states";

/** What is read from files stays as it is once all of it has been read. */
export function paceOfFiles(view: { incomplete: boolean }): Pace {
  return view.incomplete ? "soon" : "never";
}

/** What is over may be cleared by somebody. */
function pace(view: { state: RunView["state"]; incomplete: boolean }): Pace {
  return isOver(view) && !view.incomplete ? "seldom" : "soon";
}

export function paceOfRun(view: RunView): Pace {
  return view.is_scoring ? pace(view) : "never";
}

export function paceOfTask(view: TaskView): Pace {
  return view.kind === null ? "never" : pace(view);
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
