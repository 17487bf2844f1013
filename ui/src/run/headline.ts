import type { TaskRef } from "../api/actions";
import type { FailureView, GateView, PartitionTable, RunView, Stage } from "../api/types";
import { eta, list, many } from "../format";

export type Tone = "success" | "failed" | "running" | "warning";

export interface Headline {
  tone: Tone;
  /** What happened, in one sentence. */
  sentence: string;
  /** Why, in the words of the failure or of the gate. */
  why: string[];
  /** What to do next, in words; null if nothing is to be done. */
  advice: string | null;
  /** The buttons of the advice, and the tasks that they run again. */
  actions: HeadlineAction[];
}

export interface HeadlineAction {
  label: string;
  tasks: TaskRef[];
  how: "go_on" | "replay";
}

/** What each kind of task does: alone, and when it failed. */
export const STAGE_NAMES: Record<Stage["kind"], { title: string; doing: string; failed: string }> = {
  wait: { title: "Wait for data", doing: "waiting for data", failed: "waiting for data failed" },
  train: { title: "Train", doing: "training the model", failed: "training failed" },
  import: { title: "Import model", doing: "importing the model", failed: "the import of the model failed" },
  check_model: { title: "Check model", doing: "checking the model", failed: "the model did not pass its check" },
  evaluate: { title: "Evaluate", doing: "evaluating the model", failed: "the evaluation of the model failed" },
  plan: { title: "Plan", doing: "planning the partitions", failed: "planning the partitions failed" },
  score: { title: "Score", doing: "scoring", failed: "scoring failed" },
  check_scores: { title: "Check scores", doing: "checking the scores", failed: "the scores did not pass their check" },
  combine: { title: "Publish", doing: "publishing", failed: "publishing failed" },
};

export function keysIn(partitions: PartitionTable, state: PartitionTable["state"][number]): string[] {
  return partitions.key.filter((_, index) => partitions.state[index] === state);
}

/** Partitions by name, or of many, how many there are and the first. */
function named(keys: string[]): string {
  return keys.length <= 3 ? list(keys) : `${many(keys.length, "partition")} (the first is ${keys[0] ?? ""})`;
}

function done(view: RunView): string {
  const { by_state, partitions } = view.totals;
  const ready = by_state.scored + by_state.reused;
  if (partitions === 1) return `The partition is ${ready ? "scored" : isOver(view) ? "not scored" : "not scored yet"}`;
  if (ready === partitions) return `All ${many(partitions, "partition")} are scored`;
  return `${ready.toLocaleString()} of ${many(partitions, "partition")} ${ready === 1 ? "is" : "are"} scored`;
}

function outcome(view: RunView): string {
  return view.output?.published ? "the rest was published" : "nothing was published";
}

/** Scoring tasks that failed, and the failed tasks before and after them. */
export function failedTasks(view: RunView): TaskRef[] {
  const scoring = view.partitions.tasks.filter((task) => task.state === "failed");
  const where = view.failures.flatMap((failure) => failure.where);
  const others = view.stages
    .filter((stage) => stage.kind !== "score" && stage.state === "failed")
    .flatMap((stage) => {
      // Of a mapped task, those that failed; all of it if there are more than the server names.
      const named = where.filter(({ task_id, map_index }) => task_id === stage.task_id && map_index >= 0);
      const all = [{ task_id: stage.task_id, map_index: -1 }];
      return named.length > 0 && named.length === stage.by_state.failed ? named : all;
    });
  const refs = scoring.map(({ task_id, map_index }) => ({ task_id, map_index }));
  return [...refs, ...others.map(({ task_id, map_index }) => ({ task_id, map_index }))];
}

function messages(failures: FailureView[]): string[] {
  return failures.filter((failure) => failure.how !== "upstream").map((failure) => failure.message);
}

function problems(gates: GateView[]): string[] {
  return gates.flatMap((gate) => gate.checks.flatMap((check) => (check.problem === null ? [] : [check.problem])));
}

function running(view: RunView): Headline {
  const { totals } = view;
  const failed = keysIn(view.partitions, "failed");
  const stage =
    view.stages.find((one) => one.state === "running") ?? view.stages.find((one) => one.state !== "success");
  const doing = stage ? STAGE_NAMES[stage.kind].doing : "starting";
  const scoring = stage?.kind === "score" && totals.partitions > 0;
  const left = totals.eta ? `, ${eta(totals.eta)} left` : "";
  const bad = failed.length ? ` ${named(failed)} failed; the others go on.` : "";
  const sentence = scoring ? `${done(view)}${left}.` : `The run is ${doing}.`;
  return { tone: "running", sentence: sentence + bad, why: messages(view.failures), advice: null, actions: [] };
}

function failedHere(view: RunView): Headline {
  const failed = keysIn(view.partitions, "failed");
  const stage = view.stages.find((one) => one.state === "failed");
  const gate = stage && view.gates.find((one) => one.task_id === stage.task_id);
  const published = outcome(view);
  let sentence: string;
  if (failed.length) sentence = `${done(view)}, ${named(failed)} failed; ${published}.`;
  else if (!stage) sentence = `The run failed outside this pipeline; ${published}.`;
  else if (view.totals.partitions === 0) sentence = `Nothing was scored: ${STAGE_NAMES[stage.kind].failed}.`;
  else sentence = `${done(view)}, but ${STAGE_NAMES[stage.kind].failed}; ${published}.`;

  const why = [...(gate && !failed.length ? problems([gate]) : []), ...messages(view.failures)];
  if (!view.may.rerun) {
    return {
      tone: "failed",
      sentence,
      why,
      advice: `${fix(view, why.length > 0)} Then ask somebody who may clear tasks of this DAG.`,
      actions: [],
    };
  }
  const replay = view.may.ask && gate?.kind === "check_scores" && view.totals.rows_quarantined > 0;
  const actions: HeadlineAction[] = replay ? [replayOf(view)] : [];
  const tasks = failedTasks(view);
  if (tasks.length) actions.push({ label: gate && !failed.length ? "Check again" : "Go on", tasks, how: "go_on" });
  const then = actions.length
    ? next(view, gate !== undefined && !failed.length, replay)
    : "Then clear it in Airflow's grid, with what comes after it.";
  return { tone: "failed", sentence, why, advice: `${fix(view, why.length > 0)} ${then}`, actions };
}

/** @param told - whether a message says why. */
function fix(view: RunView, told: boolean): string {
  const causes = view.failures.filter((failure) => failure.how !== "upstream");
  if (!told) return "First look at the log of the task that failed.";
  if (causes.length > 0 && causes.every((failure) => failure.how === "killed"))
    return "A task was ended from outside, often for want of memory.";
  return "First fix what the message names (the data, or the settings of the DAG).";
}

function next(view: RunView, byGate: boolean, replay: boolean): string {
  if (byGate)
    return replay ? "Then replay the quarantine, which checks again, too; or only check again." : "Then check again.";
  const kept = view.totals.by_state.scored + view.totals.by_state.reused > 0;
  return `Then go on: only what failed runs again, and what comes after it.${kept ? " What is scored already is kept." : ""}`;
}

/** Tasks whose partitions have rows in quarantine. */
export function quarantinedTasks({ partitions }: RunView): TaskRef[] {
  const indexes = new Set(partitions.task.filter((_, index) => (partitions.rows_quarantined[index] ?? 0) > 0));
  return [...indexes].flatMap((index) => {
    const task = partitions.tasks[index];
    return task ? [{ task_id: task.task_id, map_index: task.map_index }] : [];
  });
}

function replayOf(view: RunView): HeadlineAction {
  return { label: "Replay quarantine", tasks: quarantinedTasks(view), how: "replay" };
}

/** How the rows in quarantine are scored after all. */
function replayed(view: RunView): string {
  return view.may.ask || !view.may.rerun
    ? "replay the quarantine: only the blocks with those rows run again."
    : "set replay_quarantined=True in the DAG and clear the scoring task: to ask for it here takes Airflow 3.3.";
}

function succeeded(view: RunView): Headline {
  const failed = keysIn(view.partitions, "failed");
  const { totals, output } = view;
  const published = output?.published ? " and published" : "";
  const bad = failed.length ? `; ${named(failed)} failed and ${failed.length === 1 ? "was" : "were"} left out` : "";
  const quarantined = totals.rows_quarantined;
  const rows = quarantined
    ? ` ${many(quarantined, "row")} could not be scored and ${quarantined === 1 ? "is" : "are"} in quarantine.`
    : "";
  if (totals.partitions === 0) {
    return { tone: "success", sentence: "The run ended; it scored no partition.", why: [], advice: null, actions: [] };
  }
  const advice = quarantined ? `See below why. When the reason is fixed, ${replayed(view)}` : null;
  const actions: HeadlineAction[] = quarantined && view.may.ask ? [replayOf(view)] : [];
  if (failed.length) actions.push({ label: "Go on", tasks: failedTasks(view), how: "go_on" });
  return {
    tone: failed.length || quarantined ? "warning" : "success",
    sentence: `${done(view)}${published}${bad}.${rows}`,
    why: messages(view.failures),
    advice,
    actions: view.may.rerun ? actions : [],
  };
}

/** Whether nothing will change any more by itself. */
export function isOver(view: { state: RunView["state"] }): boolean {
  return view.state !== null && ["success", "failed", "upstream_failed", "skipped", "removed"].includes(view.state);
}

/** The run in one sentence, why it is so, and what to do next. */
export function headline(view: RunView): Headline {
  if (!isOver(view)) return running(view);
  if (view.state === "success") return succeeded(view);
  return failedHere(view);
}
