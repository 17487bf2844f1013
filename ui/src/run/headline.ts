import type { FailureView, GateView, RunView, Stage } from "../api/types";
import { list, many } from "../format";
import { nameOf } from "./identity";
import { type Remedy, goOn, isAffected, quarantineAdvice, replay, scoreAndCheck, trainAgain } from "./remedies";
import { STAGE_NAMES, activity, currentStage, isAtWork } from "./stageNames";
import { type Shown, isOver, shownAs } from "./states";

export type Tone = "success" | "failed" | "running" | "warning";

export interface Headline {
  tone: Tone;
  /** What happened, in one sentence. */
  sentence: string;
  /** Why, in the words of the failure or of the gate. */
  why: string[];
  /** What to do next, in words; null if nothing is to be done. */
  advice: string | null;
  /** The buttons of the advice. */
  actions: Remedy[];
}

/** Positions of the partitions that are shown so. */
function shown(view: RunView, as: Shown): number[] {
  return [...view.partitions.key.keys()].filter((index) => shownAs(view.partitions, index) === as);
}

/** Partitions by name, or of many, how many there are and the first. */
function named({ partitions }: RunView, indexes: number[]): string {
  const names = indexes.slice(0, 3).map((index) => nameOf(partitions, index));
  return indexes.length <= 3 ? list(names) : `${many(indexes.length, "partition")} (the first is ${names[0] ?? ""})`;
}

function done(view: RunView): string {
  const { by_state, partitions } = view.totals;
  const ready = by_state.scored + by_state.reused;
  if (partitions === 1) return `The partition is ${ready ? "scored" : isOver(view) ? "not scored" : "not scored yet"}`;
  if (ready === partitions) return `All ${many(partitions, "partition")} are scored`;
  return `${ready.toLocaleString()} of ${many(partitions, "partition")} ${ready === 1 ? "is" : "are"} scored`;
}

/** Partitions count as scored although all of their rows are in quarantine. */
function unscored(view: RunView): string {
  const empty = shown(view, "unscored");
  return empty.length ? ` But no row of ${named(view, empty)} could be scored.` : "";
}

function outcome({ outputs }: RunView): string {
  if (outputs.length === 0) return "nothing was published";
  return outputs.every((output) => output.is_earlier) ? "what it published before stays" : "the rest was published";
}

function messages(failures: FailureView[]): string[] {
  return failures.filter((failure) => failure.how !== "upstream").map((failure) => failure.message);
}

function problems(gate: GateView | undefined): string[] {
  return gate?.checks.flatMap((check) => (check.problem === null ? [] : [check.problem])) ?? [];
}

function running(view: RunView): Headline {
  const failed = shown(view, "failed");
  const stage = currentStage(view.stages);
  const doing = stage ? activity(stage.kind, isAtWork(stage)) : "busy outside this pipeline";
  const scoring = stage?.kind === "score" && view.totals.partitions > 0;
  const bad = failed.length ? ` ${named(view, failed)} failed; the others go on.` : "";
  const sentence = (scoring ? `${done(view)}.` : `The run is ${doing}.`) + bad + unscored(view);
  return { tone: "running", sentence, why: messages(view.failures), advice: null, actions: [] };
}

function failedHere(view: RunView): Headline {
  const failed = shown(view, "failed");
  const stage = view.stages.find((one) => one.state === "failed");
  const gate = failed.length ? undefined : view.gates.find((one) => one.task_id === stage?.task_id);
  const verdict = problems(gate);
  // A gate's own failure says the same once more.
  const others = messages(view.failures).filter((message) => !verdict.some((problem) => message.includes(problem)));
  const why = [...verdict, ...others];
  const sentence = whatFailed(view, failed, stage) + unscored(view);
  const told = { tone: "failed" as const, sentence, why };
  if (!view.may.rerun) {
    const advice = `${fix(view, why.length > 0)} Then ask somebody who may clear tasks of this DAG.`;
    return { ...told, advice, actions: [] };
  }
  return { ...told, ...(gate && verdict.length ? ofGate(view, gate) : ofFailure(view, gate, why.length > 0)) };
}

function whatFailed(view: RunView, failed: number[], stage: Stage | undefined): string {
  const published = outcome(view);
  if (failed.length) return `${done(view)}, ${named(view, failed)} failed; ${published}.`;
  if (!stage) return `The run failed outside this pipeline; ${published}.`;
  const why = STAGE_NAMES[stage.kind].failed;
  if (view.totals.partitions > 0) return `${done(view)}, but ${why}; ${published}.`;
  return `Nothing was scored: ${why}${view.outputs.length ? `; ${published}` : ""}.`;
}

type Advice = Pick<Headline, "advice" | "actions">;

/** What helps against the verdict of a gate. */
function ofGate(view: RunView, gate: GateView): Advice {
  const again = goOn(view, "Check again");
  const limits = "If you change the limits in the DAG instead, only check again.";
  if (gate.kind === "check_scores") {
    const affected = [...view.partitions.key.keys()].filter((index) => isAffected(view, index));
    const data = affected.length ? `the data of ${named(view, affected)}` : "the data";
    const quarantined = view.totals.rows_quarantined > 0;
    const advice =
      `First fix ${data}, then score and check again: partitions whose files have changed are scored again, the others ` +
      `are reused. ${limits}${quarantined ? ` For the rows in quarantine: ${quarantineAdvice(view)}` : ""}`;
    const retrain = quarantined ? trainAgain(view) : [];
    return { advice, actions: [scoreAndCheck(view), ...again, ...replay(view), ...retrain] };
  }
  if (gate.kind === "check_model") {
    const retrain = trainAgain(view);
    const first = retrain.length
      ? "First fix the data or the recipe, then train again."
      : "This run trains no model: train a better one where it comes from, then check again.";
    return { advice: `${first} ${limits}`, actions: [...retrain, ...again] };
  }
  return { advice: `${fix(view, true)} Then check again.`, actions: again };
}

/** What helps where a task failed. */
function ofFailure(view: RunView, gate: GateView | undefined, told: boolean): Advice {
  const actions = goOn(view, gate ? "Check again" : "Go on");
  const kept = view.totals.by_state.scored + view.totals.by_state.reused > 0;
  const then = gate
    ? "Then check again."
    : actions.length
      ? `Then go on: only what failed runs again, and what comes after it.${kept ? " What is scored already is kept." : ""}`
      : "Then clear it in Airflow's grid, with what comes after it.";
  return { advice: `${fix(view, told)} ${then}`, actions };
}

/** Whether Airflow failed the tasks before they began to work. */
export function neverBegan(failure: FailureView): boolean {
  return failure.kind === "NeverBegan";
}

/** @param told - whether a message says why. */
function fix(view: RunView, told: boolean): string {
  const causes = view.failures.filter((failure) => failure.how !== "upstream");
  if (!told) return "First look at the log of the task that failed.";
  if (causes.length > 0 && causes.every((failure) => failure.how === "killed"))
    return "A task was killed, often for lack of memory.";
  if (causes.length > 0 && causes.every(neverBegan))
    return "First find out why the task could not start: see the logs of the scheduler and the worker.";
  return "First fix what the message names (the data, or the settings of the DAG).";
}

function succeeded(view: RunView): Headline {
  const { totals, outputs } = view;
  if (totals.partitions === 0) {
    return { tone: "success", sentence: "The run ended; it scored no partition.", why: [], advice: null, actions: [] };
  }
  const failed = shown(view, "failed");
  const published = outputs.some((output) => !output.is_earlier) ? " and published" : "";
  const left = `${named(view, failed)} failed and ${failed.length === 1 ? "was" : "were"} left out`;
  const quarantined = totals.rows_quarantined;
  const rows = quarantined
    ? ` ${many(quarantined, "row")} could not be scored and ${quarantined === 1 ? "is" : "are"} in quarantine.`
    : "";
  const actions = quarantined ? [...replay(view), ...trainAgain(view)] : [];
  if (failed.length) actions.push(...goOn(view));
  return {
    tone: failed.length || quarantined ? "warning" : "success",
    sentence: `${done(view)}${published}${failed.length ? `; ${left}` : ""}.${unscored(view)}${rows}`,
    why: messages(view.failures),
    advice: quarantined ? `See below why rows are in quarantine. ${quarantineAdvice(view)}` : null,
    actions: view.may.rerun ? actions : [],
  };
}

/** The run in one sentence, why it is so, and what to do next. */
export function headline(view: RunView): Headline {
  if (!isOver(view)) return running(view);
  if (view.state === "success") return succeeded(view);
  return failedHere(view);
}
