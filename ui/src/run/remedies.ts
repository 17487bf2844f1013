import type { Rerun, TaskRef } from "../api/actions";
import type { PartitionTable, RunView, ScoringTask } from "../api/types";

/** A button that runs tasks again. */
export interface Remedy {
  label: string;
  tasks: TaskRef[];
  how: Exclude<Rerun, "force">;
  /** What running them again does, and what it leaves. */
  effect: string;
}

/** What can and what cannot help rows in quarantine. */
export function quarantineAdvice({ may }: Pick<RunView, "may">): string {
  const data = may.ask || !may.rerun ? "replay" : "clear the scoring task";
  return (
    `If the data was wrong, fix it and ${data}. If the recipe or the model was wrong, change it and train again: both ` +
    "are part of the model's version."
  );
}

const KEPT = "Partitions and blocks that are scored already are kept, not scored again.";
const READERS = "Readers keep what is published now until the new scores have passed the checks.";

const ref = ({ task_id, map_index }: ScoringTask): TaskRef => ({ task_id, map_index });

/** The whole of a stage, mapped or not. */
const whole = (task_id: string): TaskRef => ({ task_id, map_index: -1 });

/** How many tasks these are. */
export function countTasks({ stages }: RunView, tasks: TaskRef[]): number {
  const sizes = tasks.map(({ task_id, map_index }) =>
    map_index < 0 ? (stages.find((stage) => stage.task_id === task_id)?.tasks ?? 1) : 1,
  );
  return sizes.reduce((a, b) => a + b, 0);
}

/** The scoring tasks of some partitions. */
function scoringTasks({ task, tasks }: PartitionTable, of: (index: number) => boolean): TaskRef[] {
  const positions = new Set(task.filter((_, index) => of(index)));
  return tasks.filter((_, position) => positions.has(position)).map(ref);
}

/** Scoring tasks that failed or left out a partition, and the failed tasks before and after them. */
export function failedTasks(view: RunView): TaskRef[] {
  const { state, task: taskOf, tasks } = view.partitions;
  const incomplete = new Set(taskOf.filter((_, index) => state[index] === "failed"));
  const scoring = tasks.filter((task, position) => task.state === "failed" || incomplete.has(position));
  const where = view.failures.flatMap((failure) => failure.where);
  const others = view.stages
    .filter((stage) => stage.kind !== "score" && stage.state === "failed")
    .flatMap((stage) => {
      // Of a mapped task, those that failed; all of it if there are more than the server names.
      const named = where.filter(({ task_id, map_index }) => task_id === stage.task_id && map_index >= 0);
      return named.length > 0 && named.length === stage.by_state.failed ? named : [whole(stage.task_id)];
    });
  return [...scoring.map(ref), ...others.map(({ task_id, map_index }) => ({ task_id, map_index }))];
}

export function goOn(view: RunView, label = "Go on"): Remedy[] {
  const tasks = failedTasks(view);
  return tasks.length ? [{ label, tasks, how: "go_on", effect: KEPT }] : [];
}

/** Whether the check of the scores may have failed because of this partition. */
export function isAffected({ partitions, totals }: RunView, index: number): boolean {
  const drifted = totals.drift_limit !== null && (partitions.drift[index] ?? 0) > totals.drift_limit;
  return drifted || (partitions.rows_quarantined[index] ?? 0) > 0;
}

/** Scores the partitions anew whose data has been fixed: where it cannot be told which are meant, any of them. */
export function scoreAndCheck(view: RunView): Remedy {
  const affected = scoringTasks(view.partitions, (index) => isAffected(view, index));
  const all = view.stages.filter((stage) => stage.kind === "score").map((stage) => whole(stage.task_id));
  return {
    label: "Score and check again",
    tasks: affected.length ? affected : all,
    how: "go_on",
    effect:
      "Partitions whose files have changed since are scored again, the scores of the others are reused, and all of " +
      `them are checked again. ${READERS}`,
  };
}

/** Scores the rows again that are in quarantine; nothing where none are, or where tasks cannot be asked to. */
export function replay({ may, partitions, totals }: RunView): Remedy[] {
  if (totals.rows_quarantined === 0 || !may.ask) return [];
  const tasks = scoringTasks(partitions, (index) => (partitions.rows_quarantined[index] ?? 0) > 0);
  const effect = "Only the blocks with quarantined rows are scored again; all other scores stay as they are.";
  return [{ label: "Replay quarantine", tasks, how: "replay", effect }];
}

/** Makes a new version of the model; nothing where the run makes none. */
export function trainAgain({ stages }: RunView): Remedy[] {
  const making = stages.filter(({ kind, state }) => (kind === "train" || kind === "import") && state !== "skipped");
  if (making.length === 0) return [];
  const label = making.some(({ kind }) => kind === "train") ? "Train again" : "Import again";
  const effect = `That makes a new version of the model, which then scores the partitions anew. ${READERS}`;
  return [{ label, tasks: making.map(({ task_id }) => whole(task_id)), how: "go_on", effect }];
}
