import { expect, it } from "vitest";

import * as runs from "../fixtures/runs";
import { activity, currentStage, isAtWork } from "./stageNames";

it("finds the stage that works although one of its tasks has failed", () => {
  const stages = runs.running.stages.map((stage) =>
    stage.kind === "score" ? { ...stage, state: "failed" as const, by_state: { ...stage.by_state, failed: 1 } } : stage,
  );
  expect(currentStage(stages)?.kind).toBe("score");
});

it("finds none where all has ended", () => {
  expect(currentStage(runs.finished.stages)).toBeUndefined();
});

it("tells what a stage does, or is about to do", () => {
  const [stage] = runs.withStages(runs.running, { plan: "queued" }).filter(({ kind }) => kind === "plan");
  expect(stage && activity(stage.kind, isAtWork(stage))).toBe("about to plan the partitions");
  expect(activity("plan", true)).toBe("planning the partitions");
});
