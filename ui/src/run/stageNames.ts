import type { Stage, TaskState } from "../api/types";

interface Names {
  title: string;
  /** What it is doing. */
  doing: string;
  /** What it is about to do. */
  next: string;
  /** That it failed. */
  failed: string;
}

/** What each kind of task does. */
export const STAGE_NAMES: Record<Stage["kind"], Names> = {
  wait: { title: "Wait for data", doing: "waiting for data", next: "wait for data", failed: "waiting for data failed" },
  train: { title: "Train", doing: "training the model", next: "train the model", failed: "training failed" },
  import: {
    title: "Import model",
    doing: "importing the model",
    next: "import the model",
    failed: "the import of the model failed",
  },
  check_model: {
    title: "Check model",
    doing: "checking the model",
    next: "check the model",
    failed: "the model did not pass its check",
  },
  evaluate: {
    title: "Evaluate",
    doing: "evaluating the model",
    next: "evaluate the model",
    failed: "the evaluation of the model failed",
  },
  plan: {
    title: "Plan",
    doing: "planning the partitions",
    next: "plan the partitions",
    failed: "planning the partitions failed",
  },
  score: { title: "Score", doing: "scoring", next: "score", failed: "scoring failed" },
  check_scores: {
    title: "Check scores",
    doing: "checking the scores",
    next: "check the scores",
    failed: "the scores did not pass their check",
  },
  combine: { title: "Publish", doing: "publishing", next: "publish", failed: "publishing failed" },
};

const WORKING: TaskState[] = ["running", "restarting", "deferred", "up_for_reschedule"];
const TO_COME: TaskState[] = ["queued", "scheduled", "up_for_retry", null];

function hasTasks(stage: Stage, states: TaskState[]): boolean {
  return states.some((state) => (stage.by_state[state ?? "none"] ?? 0) > 0);
}

/** The stage that works, or else the next one; none where nothing of this package is left to do. */
export function currentStage(stages: Stage[]): Stage | undefined {
  return stages.find(isAtWork) ?? stages.find((stage) => hasTasks(stage, TO_COME));
}

/** Whether at least one task of the stage works now. */
export function isAtWork(stage: Stage): boolean {
  return hasTasks(stage, WORKING);
}

export function isWorking(state: TaskState): boolean {
  return WORKING.includes(state);
}

/** `training the model`, or before it has begun `about to train the model`. */
export function activity(kind: Stage["kind"], atWork: boolean): string {
  return atWork ? STAGE_NAMES[kind].doing : `about to ${STAGE_NAMES[kind].next}`;
}
