import { expect, it } from "vitest";

import * as runs from "../fixtures/runs";
import { headline } from "./headline";

it("tells of one failed partition what happened, why, and what to press", () => {
  const told = headline(runs.failed);
  expect(told.sentence).toBe("16 of 17 partitions are scored, year=2009 failed; nothing was published.");
  expect(told.why).toEqual([expect.stringContaining("row 1,204 of s3://tennis/wta_matches_2009.csv has 52 fields")]);
  expect(told.advice).toContain("What is scored already is kept");
  expect(told.actions).toEqual([{ label: "Go on", how: "go_on", tasks: [{ task_id: "score", map_index: 9 }] }]);
});

it("does not blame the data when a task was killed", () => {
  const told = headline(runs.killed);
  expect(told.sentence).toBe("16 of 17 partitions are scored, year=2012 failed; nothing was published.");
  expect(told.advice).toMatch(/^A task was ended from outside, often for want of memory\. Then go on/);
});

it("does not blame the data because of tasks that waited for a killed one", () => {
  const waited = { ...runs.killed.failures[0]!, kind: "UpstreamFailed", message: "Task score failed", tasks: 2 };
  const told = headline({ ...runs.killed, failures: [...runs.killed.failures, { ...waited, how: "upstream" }] });
  expect(told.advice).toMatch(/^A task was ended from outside/);
});

it("sends to Airflow's grid when no task of this package failed", () => {
  const stages = runs.finished.stages.map((stage) => ({ ...stage, state: "upstream_failed" as const }));
  const waiting = { ...runs.noScoring, is_scoring: true, state: "failed" as const, stages };
  const told = headline(waiting);
  expect(told.sentence).toBe("The run failed outside this pipeline; nothing was published.");
  expect(told.advice).toMatch(/^First look at the log of the task that failed\. Then clear it in Airflow's grid/);
  expect(told.actions).toEqual([]);
});

it("speaks of a single partition without counting", () => {
  expect(headline(runs.single("failed")).sentence).toBe(
    "The partition is not scored, year=2009 failed; nothing was published.",
  );
  expect(headline(runs.single("running")).sentence).toBe("The partition is not scored yet, about 3 min (2 to 5) left.");
});

it("names the first of many failed partitions", () => {
  expect(headline(runs.packs(250)).sentence).toBe(
    "9,960 of 10,000 partitions are scored, 40 partitions (the first is device=006, day=80) failed; nothing was published.",
  );
});

it("gives the verdict of the gate that failed, and both ways on", () => {
  const told = headline(runs.gateFailed);
  expect(told.sentence).toBe(
    "All 17 partitions are scored, but the scores did not pass their check; nothing was published.",
  );
  expect(told.why).toEqual([expect.stringContaining("140 rows of year=2003 are in quarantine, 20 are allowed")]);
  expect(told.actions).toEqual([
    { label: "Replay quarantine", how: "replay", tasks: [{ task_id: "score", map_index: 3 }] },
    { label: "Check again", how: "go_on", tasks: [{ task_id: "check_scores", map_index: -1 }] },
  ]);
});

it("offers nothing to who may not clear tasks, and says whom to ask", () => {
  const told = headline({ ...runs.failed, may: { rerun: false, ask: false, promote: false } });
  expect(told.actions).toEqual([]);
  expect(told.advice).toContain("ask somebody who may clear tasks of this DAG");
});

it("offers no replay where Airflow is too old to pass it on, and says how to do it", () => {
  const may = { rerun: true, ask: false, promote: true };
  const told = headline({ ...runs.quarantined, may });
  expect(told.actions).toEqual([]);
  expect(told.advice).toContain("replay_quarantined=True");
  expect(headline({ ...runs.gateFailed, may }).actions).toEqual([
    { label: "Check again", how: "go_on", tasks: [{ task_id: "check_scores", map_index: -1 }] },
  ]);
});

it("tells how far a run is and how long it will take", () => {
  expect(headline(runs.running).sentence).toBe("8 of 17 partitions are scored, about 3 min (2 to 5) left.");
});

it("tells what a run does before and after scoring", () => {
  const stages = runs.running.stages.map((stage) => ({
    ...stage,
    state: stage.kind === "train" ? ("running" as const) : stage.state,
  }));
  const training = { ...runs.running, stages, totals: { ...runs.running.totals, partitions: 0 } };
  expect(headline(training).sentence).toBe("The run is training the model.");
});

it("tells that nothing was scored when training failed", () => {
  const stages = runs.noScoring.stages.concat({ ...runs.finished.stages[1]!, state: "failed" });
  const view = { ...runs.noScoring, is_scoring: true, state: "failed" as const, stages };
  expect(headline(view).sentence).toBe("Nothing was scored: training failed.");
});

it("trains those models again that failed, not all of a mapped task", () => {
  const where = [2, 5].map((map_index) => ({
    task_id: "train",
    map_index,
    try_number: 1,
    label: `device=${map_index}`,
  }));
  const failures = [{ ...runs.failed.failures[0]!, message: "no rows", tasks: 2, where }];
  const stage = {
    ...runs.finished.stages[1]!,
    state: "failed" as const,
    tasks: 8,
    by_state: { success: 6, failed: 2 },
  };
  const view = { ...runs.noScoring, is_scoring: true, state: "failed" as const, failures, stages: [stage] };
  expect(headline(view).actions[0]?.tasks).toEqual([2, 5].map((map_index) => ({ task_id: "train", map_index })));
  const many = { ...view, stages: [{ ...stage, by_state: { success: 1, failed: 7 } }] };
  expect(headline(many).actions[0]?.tasks).toEqual([{ task_id: "train", map_index: -1 }]);
});

it("is short when all is well, and mentions rows in quarantine", () => {
  expect(headline(runs.finished)).toMatchObject({
    sentence: "All 17 partitions are scored and published.",
    advice: null,
    actions: [],
  });
  const told = headline(runs.quarantined);
  expect(told.sentence).toBe(
    "All 17 partitions are scored and published. 15 rows could not be scored and are in quarantine.",
  );
  expect(told.actions[0]?.tasks).toEqual([3, 11].map((map_index) => ({ task_id: "score", map_index })));
});
